import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { limitWorkloadMemory } from "../../guest/compose/agent/workload-memory.ts";
import { createLog } from "../../guest/core/log.ts";

const log = createLog(() => {}, "error");
let mountPoint: string;

/** What a kernel has there of its own. */
beforeEach(() => {
  mountPoint = mkdtempSync(join(tmpdir(), "podkeep-cgroup-"));
  mkdirSync(join(mountPoint, "podkeep"));
  writeFileSync(join(mountPoint, "cgroup.subtree_control"), "");
  writeFileSync(join(mountPoint, "podkeep/memory.max"), "max");
});

afterEach(() => rmSync(mountPoint, { recursive: true }));

function limit(reservedMemoryMegabytes: number): string {
  limitWorkloadMemory({ cgroupParent: "/podkeep", reservedMemoryMegabytes }, log, { kind: "unified", mountPoint });
  return readFileSync(join(mountPoint, "podkeep/memory.max"), "utf8");
}

describe("threat 120: the memory of all containers together", () => {
  test("leaves what is reserved", () => {
    expect(limit(64)).toBe(String(totalmem() - 64 * 1024 * 1024));
    expect(readFileSync(join(mountPoint, "cgroup.subtree_control"), "utf8")).toBe("+memory");
  });

  test("has no limit where nothing is reserved", () => {
    expect(limit(0)).toBe("max");
  });

  test.for([-1, Math.ceil(totalmem() / (1024 * 1024)), Number.MAX_SAFE_INTEGER])(
    "a reserve of %s MiB starts nothing",
    (megabytes) => {
      expect(() => limit(megabytes)).toThrow("agent.reserved_memory_megabytes");
    },
  );

  test("needs control groups of version 2", () => {
    const controllers = new Map([["memory", mountPoint]]);
    const configuration = { cgroupParent: "/podkeep", reservedMemoryMegabytes: 64 };
    expect(() =>
      limitWorkloadMemory(configuration, log, { kind: "legacy", controllers, unifiedMountPoint: undefined }),
    ).toThrow("version 2");
  });
});
