import { Directory } from "../../sys/directory.ts";
import { filesystemStatistics } from "../../sys/filesystem-statistics.ts";
import { type MountEntry, readMountTable } from "../../sys/mount.ts";
import { columnSamples, itemSamples, kernelLines } from "./kernel-files.ts";
import type { Metric, Sample } from "./prometheus-text.ts";

const cpuColumns = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
const networkColumns = [
  ...[
    "recv_bytes",
    "recv_packets",
    "recv_errs",
    "recv_drop",
    "recv_fifo",
    "recv_frame",
    "recv_compressed",
    "recv_multicast",
  ],
  ...[
    "sent_bytes",
    "sent_packets",
    "sent_errs",
    "sent_drop",
    "sent_fifo",
    "sent_colls",
    "sent_carrier",
    "sent_compressed",
  ],
];
const diskColumns = [
  ...["reads", "reads_merged", "sectors_read", "time_reading"],
  ...["writes", "writes_merged", "sectors_written", "time_writing"],
  ...["in_progress", "time_in_progress", "weighted_time_in_progress"],
];

/** File systems that hold data; the virtual ones would only say how much memory there is. */
const dataFileSystems: ReadonlySet<string> = new Set(["ext4", "xfs", "btrfs", "vfat", "overlay"]);

/** What the guest uses (spec/agent-rpc.md 14). */
export function guestMetrics(): Metric[] {
  const gauge = (name: string, help: string, samples: Sample[]): Metric => ({ name, help, type: "gauge", samples });
  const filesystems = filesystemSamples();
  return [
    gauge("kata_guest_load", "Guest system load.", loadSamples()),
    gauge("kata_guest_tasks", "Guest system tasks.", taskSamples()),
    gauge("kata_guest_cpu_time", "Guest CPU time.", cpuSamples()),
    gauge("kata_guest_vm_stat", "Guest virtual memory statistics.", virtualMemorySamples()),
    gauge("kata_guest_netdev_stat", "Guest network device statistics.", networkSamples()),
    gauge("kata_guest_diskstat", "Guest disk statistics.", diskSamples()),
    gauge("kata_guest_meminfo", "Guest memory.", memorySamples()),
    gauge("kata_guest_filesystem_bytes", "Guest file system bytes.", filesystems.bytes),
    gauge("kata_guest_filesystem_inodes", "Guest file system inodes.", filesystems.inodes),
  ];
}

function loadSamples(): Sample[] {
  const [load1, load5, load15] = (kernelLines("/proc/loadavg")[0] ?? "").split(" ");
  return itemSamples({ load1, load5, load15 });
}

/** The fourth word of /proc/loadavg is "running/existing"; the most there can be is the kernel's setting. */
function taskSamples(): Sample[] {
  const [, existing] = ((kernelLines("/proc/loadavg")[0] ?? "").split(" ")[3] ?? "").split("/");
  return itemSamples({ cur: existing, max: kernelLines("/proc/sys/kernel/threads-max")[0] });
}

function cpuSamples(): Sample[] {
  return kernelLines("/proc/stat").flatMap((line) => {
    const [name = "", ...words] = line.split(/\s+/u);
    if (!/^cpu\d*$/u.test(name)) return [];
    return columnSamples({ cpu: name === "cpu" ? "total" : name.slice(3) }, cpuColumns, words);
  });
}

function virtualMemorySamples(): Sample[] {
  return itemSamples(Object.fromEntries(kernelLines("/proc/vmstat").map((line) => line.split(" ", 2))));
}

function networkSamples(): Sample[] {
  return kernelLines("/proc/self/net/dev").flatMap((line) => {
    const [, name, counts] = /^\s*([^:]+):\s*(.*)$/u.exec(line) ?? [];
    if (name === undefined || counts === undefined) return [];
    return columnSamples({ interface: name }, networkColumns, counts.split(/\s+/u));
  });
}

function diskSamples(): Sample[] {
  return kernelLines("/proc/diskstats").flatMap((line) => {
    const [, , disk = "", ...words] = line.trim().split(/\s+/u);
    return columnSamples({ disk }, diskColumns, words);
  });
}

/** `MemTotal:  1024 kB` becomes item `mem_total` in bytes of 1024; counts without unit stay. */
function memorySamples(): Sample[] {
  const items = kernelLines("/proc/meminfo").flatMap((line): [string, number][] => {
    const [, key, number, unit] = /^([\w()]+):\s+(\d+)( kB)?$/u.exec(line) ?? [];
    if (key === undefined || number === undefined) return [];
    return [[snakeCase(key), Number(number) * (unit === undefined ? 1 : 1024)]];
  });
  return itemSamples(Object.fromEntries(items));
}

function snakeCase(key: string): string {
  return key
    .replace(/\((\w+)\)/u, "_$1")
    .replace(/([a-z0-9])([A-Z])/gu, "$1_$2")
    .toLowerCase();
}

function filesystemSamples(): { readonly bytes: Sample[]; readonly inodes: Sample[] } {
  const bytes: Sample[] = [];
  const inodes: Sample[] = [];
  for (const { mountPoint, source } of writableDataMounts()) {
    const labels = { mount: mountPoint, device: source };
    using directory = openIfReachable(mountPoint);
    if (directory === undefined) continue;
    const { totalBytes, freeBytes, availableBytes, totalInodes, freeInodes } = filesystemStatistics(directory.fd);
    bytes.push(...itemValues(labels, totalBytes, totalBytes - freeBytes, availableBytes));
    inodes.push(...itemValues(labels, totalInodes, totalInodes - freeInodes, freeInodes));
  }
  return { bytes, inodes };
}

function itemValues(labels: Sample["labels"], total: bigint, used: bigint, available: bigint): Sample[] {
  return Object.entries({ total, used, available }).map(([item, value]) => ({ labels: { ...labels, item }, value }));
}

/** One mount of each device; the many binds of containers would repeat it. */
function writableDataMounts(): MountEntry[] {
  const byDevice = new Map<string, MountEntry>();
  for (const entry of readMountTable()) {
    if (dataFileSystems.has(entry.type) && !entry.options.includes("ro") && !byDevice.has(entry.device)) {
      byDevice.set(entry.device, entry);
    }
  }
  return [...byDevice.values()];
}

function openIfReachable(mountPoint: string): Directory | undefined {
  try {
    return Directory.open(mountPoint);
  } catch {
    // It was unmounted since, hidden by another mount, or is a file: a metric less.
    return undefined;
  }
}
