import type {
  BlkioStatsEntry,
  CgroupStats,
  CpuStats,
  HugetlbStats,
  MemoryData,
  MemoryStats,
} from "../../rpc/messages/agent.ts";
import type { MessageInit } from "../../rpc/method.ts";
import type { Cgroup } from "../../sys/cgroup.ts";
import { readHugePages, readPids } from "./controllers.ts";
import { parseCount, parseKeyedCounts, toMessageMap } from "./kernel-text.ts";

/** cpuacct.stat counts in hundredths of a second on every Linux. */
const nanosecondsPerTick = 10_000_000n;

/** Statistics of a version 1 group. */
export function readLegacyStatistics(cgroup: Cgroup): MessageInit<CgroupStats> {
  return {
    cpu_stats: readCpu(cgroup),
    memory_stats: readMemory(cgroup),
    pids_stats: readPids(cgroup),
    blkio_stats:
      cgroup.read("blkio.throttle.io_service_bytes_recursive") === undefined
        ? null
        : {
            io_service_bytes_recursive: readBlockIo(cgroup, "blkio.throttle.io_service_bytes_recursive"),
            io_serviced_recursive: readBlockIo(cgroup, "blkio.throttle.io_serviced_recursive"),
          },
    hugetlb_stats: readHugePages(cgroup, (size) => hugePagesOf(cgroup, size)),
  };
}

function readCpu(cgroup: Cgroup): MessageInit<CpuStats> | null {
  const total = parseCount(cgroup.read("cpuacct.usage"));
  if (total === undefined) return null;
  const ticks = parseKeyedCounts(cgroup.read("cpuacct.stat") ?? "");
  const throttling = parseKeyedCounts(cgroup.read("cpu.stat") ?? "");
  return {
    cpu_usage: {
      total_usage: total,
      percpu_usage: (cgroup.read("cpuacct.usage_percpu") ?? "").split(" ").flatMap((count) => parseCount(count) ?? []),
      usage_in_kernelmode: (ticks.get("system") ?? 0n) * nanosecondsPerTick,
      usage_in_usermode: (ticks.get("user") ?? 0n) * nanosecondsPerTick,
    },
    throttling_data: {
      periods: throttling.get("nr_periods") ?? 0n,
      throttled_periods: throttling.get("nr_throttled") ?? 0n,
      throttled_time: throttling.get("throttled_time") ?? 0n,
    },
  };
}

function readMemory(cgroup: Cgroup): MessageInit<MemoryStats> | null {
  const usage = readMemoryData(cgroup, "memory");
  if (usage === null) return null;
  const stats = parseKeyedCounts(cgroup.read("memory.stat") ?? "");
  return {
    cache: stats.get("cache") ?? 0n,
    usage,
    swap_usage: readMemoryData(cgroup, "memory.memsw"),
    kernel_usage: readMemoryData(cgroup, "memory.kmem"),
    use_hierarchy: cgroup.read("memory.use_hierarchy")?.trim() === "1",
    stats: toMessageMap(stats),
  };
}

function readMemoryData(cgroup: Cgroup, prefix: string): MessageInit<MemoryData> | null {
  const count = (name: string): bigint | undefined => parseCount(cgroup.read(`${prefix}.${name}`));
  const usage = count("usage_in_bytes");
  if (usage === undefined) return null;
  return {
    usage,
    limit: count("limit_in_bytes") ?? 0n,
    max_usage: count("max_usage_in_bytes") ?? 0n,
    failcnt: count("failcnt") ?? 0n,
  };
}

/** Lines such as `8:0 Read 4096`. */
function readBlockIo(cgroup: Cgroup, file: string): MessageInit<BlkioStatsEntry>[] {
  return (cgroup.read(file) ?? "").split("\n").flatMap((line) => {
    const [, major, minor, op, value] = /^(\d+):(\d+) (\w+) (\d+)$/u.exec(line) ?? [];
    if (major === undefined || minor === undefined || op === undefined || value === undefined) return [];
    return { major: BigInt(major), minor: BigInt(minor), op: op.toLowerCase(), value: BigInt(value) };
  });
}

function hugePagesOf(cgroup: Cgroup, size: string): MessageInit<HugetlbStats> {
  const count = (name: string): bigint => parseCount(cgroup.read(`hugetlb.${size}.${name}`)) ?? 0n;
  return {
    usage: count("usage_in_bytes"),
    max_usage: count("max_usage_in_bytes"),
    failcnt: count("failcnt"),
  };
}
