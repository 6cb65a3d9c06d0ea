import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cgroup } from "../../guest/sys/cgroup.ts";
import { type CgroupHierarchy, detectCgroupHierarchy } from "../../guest/sys/cgroup-hierarchy.ts";
import { parseMountTable } from "../../guest/sys/mount.ts";
import { watchOom } from "../../guest/sys/oom-watch.ts";
import { isRoot } from "./root.ts";
import { eventually, temporaryDirectory } from "./support.ts";

/** Every way in which this machine can do it is tested: version 2 has freezing and killing without any controller. */
function hierarchies(): [string, CgroupHierarchy][] {
  const own = detectCgroupHierarchy();
  if (own.kind === "unified") return [["version 2", own]];
  const found: [string, CgroupHierarchy][] = [["version 1", own]];
  if (own.unifiedMountPoint !== undefined)
    found.push(["version 2 of a hybrid", { kind: "unified", mountPoint: own.unifiedMountPoint }]);
  return found;
}

const children: ChildProcess[] = [];
let name: string;

beforeEach(() => {
  name = `/podkeep-test-${process.pid}`;
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const [, hierarchy] of hierarchies()) await Cgroup.at(name, hierarchy).remove();
});

function sleeper(): number {
  const child = spawn("/bin/sleep", ["1000"]);
  children.push(child);
  if (child.pid === undefined) throw new Error("sleep doesn't start");
  return child.pid;
}

function state(pid: number): string {
  return /^State:\s+(\S)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

/** Makes the group in every hierarchy and puts processes into it. */
function populate(hierarchy: CgroupHierarchy, below: string, pids: readonly number[]): void {
  const mounts = hierarchy.kind === "unified" ? [hierarchy.mountPoint] : [...hierarchy.controllers.values()];
  for (const mountPoint of mounts) {
    // cpuset of version 1 takes no process before it has processors and memory; these tests don't need it.
    if (mountPoint.endsWith("/cpuset")) continue;
    const directory = path.join(mountPoint, name, below);
    fs.mkdirSync(directory, { recursive: true });
    for (const pid of pids) fs.writeFileSync(path.join(directory, "cgroup.procs"), String(pid));
  }
}

/** Version 2 with a controller to switch on, as this machine has it; a hybrid one has given most of them to version 1. */
function switchableController():
  | { readonly hierarchy: CgroupHierarchy & { readonly kind: "unified" }; readonly controller: string }
  | undefined {
  for (const [, hierarchy] of hierarchies()) {
    if (hierarchy.kind !== "unified") continue;
    const available = fs.readFileSync(path.join(hierarchy.mountPoint, "cgroup.controllers"), "utf8").trim().split(" ");
    const controller = ["memory", "hugetlb"].find((candidate) => available.includes(candidate));
    if (controller !== undefined) return { hierarchy, controller };
  }
  return undefined;
}

const switchable = switchableController();
if (switchable === undefined) console.warn("test/sys: this machine has no controller of cgroup version 2 to switch on");

test.skipIf(switchable === undefined || !isRoot)(
  "a group is made with its controller's files, and those above it",
  async () => {
    if (switchable === undefined) return;
    const { hierarchy, controller } = switchable;
    const root = path.join(hierarchy.mountPoint, "cgroup.subtree_control");
    const wasOn = fs.readFileSync(root, "utf8").split(/\s/).includes(controller);
    const group = Cgroup.at(`${name}/below`, hierarchy);
    try {
      group.create(controller);
      group.create(controller);
      expect(fs.readdirSync(group.directory(controller) ?? "").join()).toContain(`${controller}.`);
    } finally {
      await Cgroup.at(name, hierarchy).remove();
      if (!wasOn) fs.writeFileSync(root, `-${controller}`);
    }
  },
);

for (const [title, hierarchy] of hierarchies()) {
  describe.skipIf(!isRoot)(title, () => {
    test("processes, also of groups below; frozen and thawed; killed while frozen; removed", async () => {
      const group = Cgroup.at(name, hierarchy);
      expect(group.exists()).toBe(false);
      expect(group.processes()).toEqual([]);
      const [upper, lower] = [sleeper(), sleeper()];
      populate(hierarchy, "", [upper]);
      populate(hierarchy, "sub/group", [lower]);
      expect(group.exists()).toBe(true);
      expect(group.processes().sort()).toEqual([upper, lower].sort());

      await group.freeze();
      expect(group.isFrozen()).toBe(true);
      await group.thaw();
      expect(group.isFrozen()).toBe(false);
      await eventually(() => state(upper) === "S");

      await group.freeze();
      await group.killAll();
      await eventually(() => children.every((child) => child.signalCode === "SIGKILL"));
      expect(group.processes()).toEqual([]);
      await group.remove();
      await group.remove();
      expect(group.exists()).toBe(false);
      await group.killAll().catch((error: unknown) => expect(String(error)).toMatch(/can't be frozen/));
    });

    test("files of controllers that aren't there are undefined", () => {
      const group = Cgroup.at(name, hierarchy);
      populate(hierarchy, "", []);
      expect(group.read("nothing.current")).toBeUndefined();
      expect(group.read("memory.nothing")).toBeUndefined();
      expect(() => group.write("nothing.max", "1")).toThrow();
    });

    test("a path that could lead elsewhere is none", () => {
      expect(() => Cgroup.at("relative", hierarchy)).toThrow("must be absolute");
      expect(() => Cgroup.at("/a/../..", hierarchy)).toThrow("must be absolute");
    });
  });
}

describe.skipIf(!isRoot)("memory", () => {
  test("a kill for lack of memory is counted and told once", async (context) => {
    const hierarchy = detectCgroupHierarchy();
    const group = Cgroup.at(name, hierarchy);
    const pid = sleeper();
    populate(hierarchy, "", [pid]);
    if (group.oomKillCount() === undefined) context.skip("this machine's control groups have no memory controller");
    group.write(group.version === 2 ? "memory.max" : "memory.limit_in_bytes", String(8 << 20));
    let calls = 0;
    const watch = watchOom(group, () => {
      calls++;
    });
    const hog = spawn("/bin/sh", ["-c", "read go; head -c 100m /dev/zero | tail -c 100m"]);
    children.push(hog);
    populate(hierarchy, "", [hog.pid ?? 0]);
    hog.stdin.end("go\n");
    await eventually(() => calls === 1);
    watch.look();
    watch.close();
    expect(calls).toBe(1);
    expect(group.oomKillCount()).toBeGreaterThan(0n);
  });
});

describe("version 2 by its files alone", () => {
  /** A directory in place of the kernel's: inotify doesn't know the difference, and the figures are the test's. */
  function imitation(): { group: Cgroup; write: (file: string, text: string) => void } {
    const mountPoint = temporaryDirectory();
    const directory = path.join(mountPoint, "pod");
    fs.mkdirSync(directory);
    const write = (file: string, text: string): void => fs.writeFileSync(path.join(directory, file), text);
    write("memory.events", "low 0\noom 0\noom_kill 0\noom_group_kill 0\n");
    write("cgroup.events", "populated 1\nfrozen 0\n");
    return { group: Cgroup.at("/pod", { kind: "unified", mountPoint }), write };
  }

  test("oom_kill is told by the kernel's notice, once", async () => {
    const { group, write } = imitation();
    let calls = 0;
    watchOom(group, () => {
      calls++;
    });
    write("memory.events", "oom 3\noom_kill 0\n");
    write("memory.events", "oom 3\noom_kill 2\n");
    await eventually(() => calls === 1);
    write("memory.events", "oom 4\noom_kill 3\n");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toBe(1);
  });

  test("one that happened before the watch is told at once; an empty group ends it", async () => {
    const { group, write } = imitation();
    write("memory.events", "oom_kill 1\n");
    let calls = 0;
    watchOom(group, () => {
      calls++;
    });
    expect(calls).toBe(1);

    write("memory.events", "oom_kill 0\n");
    const watch = watchOom(group, () => {
      calls++;
    });
    write("cgroup.events", "populated 0\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    write("memory.events", "oom_kill 1\n");
    watch.look();
    expect(calls).toBe(1);
  });
});

test("how control groups are mounted is read off the mount table", () => {
  const line = (type: string, at: string, options: string): string => `1 0 0:1 / ${at} rw - ${type} ${type} ${options}`;
  const unified = parseMountTable(line("cgroup2", "/sys/fs/cgroup", "rw,nsdelegate"));
  expect(detectCgroupHierarchy(unified)).toEqual({ kind: "unified", mountPoint: "/sys/fs/cgroup" });
  const hybrid = parseMountTable(
    [
      line("cgroup", "/sys/fs/cgroup/cpu,cpuacct", "rw,cpu,cpuacct"),
      line("cgroup", "/sys/fs/cgroup/systemd", "rw,xattr,name=systemd"),
      line("cgroup2", "/sys/fs/cgroup/unified", "rw"),
    ].join("\n"),
  );
  expect(detectCgroupHierarchy(hybrid)).toEqual({
    kind: "legacy",
    controllers: new Map([
      ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
      ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
      ["name=systemd", "/sys/fs/cgroup/systemd"],
    ]),
    unifiedMountPoint: "/sys/fs/cgroup/unified",
  });
  expect(() => detectCgroupHierarchy([])).toThrow("no control groups are mounted");
});
