import { GuestError } from "../core/errors.ts";
import { type MountEntry, readMountTable } from "./mount.ts";

/**
 * How control groups are mounted on this machine: `unified` is version 2 alone, `legacy` version 1, perhaps with an empty
 * version 2 beside it for the processes' places only ("hybrid").
 */
export type CgroupHierarchy =
  | { readonly kind: "unified"; readonly mountPoint: string }
  | {
      readonly kind: "legacy";
      /** Mount point by controller, such as `memory`; named hierarchies as `name=systemd`. */
      readonly controllers: ReadonlyMap<string, string>;
      /** Where version 2 is mounted beside it. */
      readonly unifiedMountPoint: string | undefined;
    };

/** Finds out how control groups are mounted. @throws GuestError `failed-precondition` when they aren't */
export function detectCgroupHierarchy(mounts: readonly MountEntry[] = readMountTable()): CgroupHierarchy {
  const unified = mounts.find((entry) => entry.type === "cgroup2")?.mountPoint;
  const controllers = new Map<string, string>();
  for (const entry of mounts) {
    if (entry.type !== "cgroup") continue;
    const named = entry.superOptions.filter((option) => cgroupControllers.has(option) || option.startsWith("name="));
    for (const controller of named) if (!controllers.has(controller)) controllers.set(controller, entry.mountPoint);
  }
  if (controllers.size > 0) return { kind: "legacy", controllers, unifiedMountPoint: unified };
  if (unified !== undefined) return { kind: "unified", mountPoint: unified };
  throw new GuestError("failed-precondition", "no control groups are mounted");
}

const cgroupControllers: ReadonlySet<string> = new Set([
  "blkio",
  "cpu",
  "cpuacct",
  "cpuset",
  "devices",
  "freezer",
  "hugetlb",
  "memory",
  "net_cls",
  "net_prio",
  "perf_event",
  "pids",
  "rdma",
]);
