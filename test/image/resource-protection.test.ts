import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { execPath } from "node:process";
import { describe, expect, test } from "vitest";
import { defaultConfiguration } from "../../guest/compose/configuration.ts";
import { daemonNames, readUnit } from "./units.ts";

const slice = readFileSync(
  resolve(import.meta.dirname, "../../image/tree/usr/lib/systemd/system/podkeep.slice"),
  "utf8",
);

describe.each(daemonNames)("%s, beside a workload that takes all it can get", (name) => {
  const unit = readUnit(name);

  test("V4, V5: is in podkeep's slice, not in the workload's cgroup", () => {
    expect(unit.values("Slice")).toEqual(["podkeep.slice"]);
    expect(defaultConfiguration.agent.cgroupParent).toBe("/podkeep");
  });

  test("V5: Node's heap is limited to a share of the VM's memory, whatever that is", () => {
    const share = unit.command.filter((word) => word.startsWith("--max-old-space-size"));
    expect(share).toEqual(["--max-old-space-size-percentage=20"]);
    const limit = Number(
      execFileSync(execPath, [...share, "--print", "require('v8').getHeapStatistics().heap_size_limit"]),
    );
    // The limit has the young generation on top, which is a few percent of it.
    const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    expect(limit / memory).toBeGreaterThan(0.19);
    expect(limit / memory).toBeLessThan(0.3);
  });
});

test("V4: podkeep's slice outweighs the workload", () => {
  expect(Number(/^CPUWeight=(\d+)$/m.exec(slice)?.[1])).toBeGreaterThan(100);
});

test("V5: what the daemons need stays in memory, and the kernel takes containers first, at -997 as Kubernetes lets them", () => {
  expect(slice).toMatch(/^MemoryMin=256M$/m);
  for (const name of ["agent", "hub"] as const)
    expect(Number(readUnit(name).values("OOMScoreAdjust").join(""))).toBeLessThan(-997);
});
