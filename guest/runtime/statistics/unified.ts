import type {
  BlkioStats,
  BlkioStatsEntry,
  CgroupStats,
  CpuStats,
  HugetlbStats,
  MemoryStats,
} from "../../rpc/messages/agent.ts";
import type { MessageInit } from "../../rpc/method.ts";
import type { Cgroup } from "../../sys/cgroup.ts";
import { readHugePages, readPids } from "./controllers.ts";
import { parseCount, parseKeyedCounts, toMessageMap, unlimited } from "./kernel-text.ts";

/** Statistics of a version 2 group. */
export function readUnifiedStatistics(cgroup: Cgroup): MessageInit<CgroupStats> {
  return {
    cpu_stats: readCpu(cgroup),
    memory_stats: readMemory(cgroup),
    pids_stats: readPids(cgroup),
    blkio_stats: readBlockIo(cgroup),
    hugetlb_stats: readHugePages(cgroup, (size) => hugePagesOf(cgroup, size)),
  };
}

function readCpu(cgroup: Cgroup): MessageInit<CpuStats> | null {
  const text = cgroup.read("cpu.stat");
  if (text === undefined) return null;
  const counts = parseKeyedCounts(text);
  const nanoseconds = (key: string): bigint => (counts.get(key) ?? 0n) * 1000n;
  return {
    cpu_usage: {
      total_usage: nanoseconds("usage_usec"),
      usage_in_kernelmode: nanoseconds("system_usec"),
      usage_in_usermode: nanoseconds("user_usec"),
    },
    throttling_data: {
      periods: counts.get("nr_periods") ?? 0n,
      throttled_periods: counts.get("nr_throttled") ?? 0n,
      throttled_time: nanoseconds("throttled_usec"),
    },
  };
}

function readMemory(cgroup: Cgroup): MessageInit<MemoryStats> | null {
  const usage = parseCount(cgroup.read("memory.current"));
  if (usage === undefined) return null;
  const stats = parseKeyedCounts(cgroup.read("memory.stat") ?? "");
  const count = (file: string): bigint => parseCount(cgroup.read(file)) ?? 0n;
  const swapLimit = count("memory.swap.max");
  return {
    cache: stats.get("file") ?? 0n,
    usage: { usage, limit: count("memory.max"), max_usage: count("memory.peak"), failcnt: 0n },
    swap_usage: {
      usage: count("memory.swap.current"),
      limit: swapLimit === unlimited ? 0n : swapLimit,
      max_usage: count("memory.swap.peak"),
      failcnt: parseKeyedCounts(cgroup.read("memory.swap.events") ?? "").get("fail") ?? 0n,
    },
    kernel_usage: { limit: unlimited },
    use_hierarchy: false,
    stats: toMessageMap(stats),
  };
}

/** Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`. */
function readBlockIo(cgroup: Cgroup): MessageInit<BlkioStats> | null {
  const text = cgroup.read("io.stat");
  if (text === undefined) return null;
  return { io_service_bytes_recursive: text.split("\n").flatMap(parseDeviceLine) };
}

const operations: ReadonlyMap<string, string> = new Map([
  ["rbytes", "read"],
  ["wbytes", "write"],
]);

function parseDeviceLine(line: string): MessageInit<BlkioStatsEntry>[] {
  const [, major, minor, counts] = /^(\d+):(\d+) (.*)$/u.exec(line) ?? [];
  if (major === undefined || minor === undefined || counts === undefined) return [];
  return counts.split(" ").flatMap((pair) => {
    const [, key, value] = /^(\w+)=(\d+)$/u.exec(pair) ?? [];
    if (key === undefined || value === undefined) return [];
    return { major: BigInt(major), minor: BigInt(minor), op: operations.get(key) ?? key, value: BigInt(value) };
  });
}

function hugePagesOf(cgroup: Cgroup, size: string): MessageInit<HugetlbStats> {
  return {
    usage: parseCount(cgroup.read(`hugetlb.${size}.current`)) ?? 0n,
    failcnt: parseKeyedCounts(cgroup.read(`hugetlb.${size}.events`) ?? "").get("max") ?? 0n,
  };
}
