import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readStatistics } from "../../guest/runtime/statistics/statistics.ts";
import { Cgroup } from "../../guest/sys/cgroup.ts";

const allOnes = 18446744073709551615n;

describe("statistics of a container", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pk-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function files(contents: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(contents)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
  }

  test("of a version 2 group", () => {
    files({
      "pod/c/cpu.stat": "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 4\nnr_throttled 5\nthrottled_usec 6\n",
      "pod/c/memory.current": "100\n",
      "pod/c/memory.max": "max\n",
      "pod/c/memory.peak": "200\n",
      "pod/c/memory.stat": "anon 7\nfile 8\n",
      "pod/c/memory.swap.current": "9\n",
      "pod/c/memory.swap.max": "max\n",
      "pod/c/memory.swap.events": "high 0\nmax 0\nfail 3\n",
      "pod/c/pids.current": "2\n",
      "pod/c/pids.max": "max\n",
      "pod/c/io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:16 rbytes=5\n",
      "pod/c/hugetlb.2MB.current": "4096\n",
      "pod/c/hugetlb.2MB.events": "max 1\n",
    });
    const statistics = readStatistics(Cgroup.at("/pod/c", { kind: "unified", mountPoint: root }));
    expect(statistics.cpu_stats).toMatchObject({
      cpu_usage: { total_usage: 3000n, usage_in_kernelmode: 1000n, usage_in_usermode: 2000n },
      throttling_data: { periods: 4n, throttled_periods: 5n, throttled_time: 6000n },
    });
    expect(statistics.memory_stats).toMatchObject({
      cache: 8n,
      usage: { usage: 100n, limit: allOnes, max_usage: 200n, failcnt: 0n },
      swap_usage: { usage: 9n, limit: 0n, failcnt: 3n },
      kernel_usage: { limit: allOnes },
      stats: { anon: 7n, file: 8n },
    });
    expect(statistics.pids_stats).toEqual({ current: 2n, limit: 0n });
    expect(statistics.blkio_stats?.io_service_bytes_recursive).toContainEqual({
      major: 8n,
      minor: 0n,
      op: "read",
      value: 10n,
    });
    expect(statistics.blkio_stats?.io_service_bytes_recursive).toContainEqual({
      major: 8n,
      minor: 0n,
      op: "wios",
      value: 2n,
    });
    expect(statistics.blkio_stats?.io_service_bytes_recursive).toContainEqual({
      major: 254n,
      minor: 16n,
      op: "read",
      value: 5n,
    });
    expect(statistics.hugetlb_stats).toMatchObject({ "2MB": { usage: 4096n, failcnt: 1n } });
  });

  test("of a version 1 group", () => {
    files({
      "cpuacct/pod/c/cpuacct.usage": "5000\n",
      "cpuacct/pod/c/cpuacct.usage_percpu": "2000 3000 \n",
      "cpuacct/pod/c/cpuacct.stat": "user 2\nsystem 1\n",
      "cpu/pod/c/cpu.stat": "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n",
      "memory/pod/c/memory.usage_in_bytes": "100\n",
      "memory/pod/c/memory.limit_in_bytes": "9223372036854771712\n",
      "memory/pod/c/memory.max_usage_in_bytes": "150\n",
      "memory/pod/c/memory.failcnt": "1\n",
      "memory/pod/c/memory.stat": "cache 11\nrss 22\n",
      "memory/pod/c/memory.use_hierarchy": "1\n",
      "pids/pod/c/pids.current": "3\n",
      "pids/pod/c/pids.max": "10\n",
      "blkio/pod/c/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n",
    });
    const controllers = new Map(["cpuacct", "cpu", "memory", "pids", "blkio"].map((name) => [name, join(root, name)]));
    const statistics = readStatistics(
      Cgroup.at("/pod/c", { kind: "legacy", controllers, unifiedMountPoint: undefined }),
    );
    expect(statistics.cpu_stats).toMatchObject({
      cpu_usage: { total_usage: 5000n, percpu_usage: [2000n, 3000n], usage_in_kernelmode: 10_000_000n },
      throttling_data: { periods: 1n, throttled_periods: 2n, throttled_time: 3n },
    });
    expect(statistics.memory_stats).toMatchObject({
      cache: 11n,
      usage: { usage: 100n, limit: 9223372036854771712n, max_usage: 150n, failcnt: 1n },
      swap_usage: null,
      use_hierarchy: true,
    });
    expect(statistics.pids_stats).toEqual({ current: 3n, limit: 10n });
    expect(statistics.blkio_stats?.io_service_bytes_recursive).toEqual([
      { major: 8n, minor: 0n, op: "read", value: 4096n },
      { major: 8n, minor: 0n, op: "total", value: 4096n },
    ]);
  });

  test("of a group that is gone, or whose files hold nonsense, are absent", () => {
    const gone = readStatistics(Cgroup.at("/nowhere", { kind: "unified", mountPoint: root }));
    expect(gone).toMatchObject({ cpu_stats: null, memory_stats: null, pids_stats: null, blkio_stats: null });
    files({ "c/memory.current": "many\n", "c/pids.current": "-1\n", "c/io.stat": "nonsense\n8:0\n" });
    const broken = readStatistics(Cgroup.at("/c", { kind: "unified", mountPoint: root }));
    expect(broken).toMatchObject({ memory_stats: null, pids_stats: null });
    expect(broken.blkio_stats?.io_service_bytes_recursive).toEqual([]);
  });
});
