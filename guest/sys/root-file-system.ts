import path from "node:path";
import { GuestError } from "../core/errors.ts";
import { readFileIfPresent } from "./file.ts";
import { maxKernelFileBytes } from "./limits.ts";
import { readMountTable } from "./mount.ts";

/** What this process's root is on. */
export interface RootFileSystem {
  /** Such as `erofs`. */
  readonly type: string;
  readonly isReadonly: boolean;
  /** Device-mapper's name for the kind and identity of the device, such as `CRYPT-VERITY-…`; undefined: not a mapped device. */
  readonly mapperId: string | undefined;
}

/** Where the kernel tells; tests have directories of their own. */
export interface KernelDirectories {
  readonly proc: string;
  readonly sys: string;
}

/** @throws GuestError `failed-precondition` when the mount table names no root; SystemError */
export function readRootFileSystem({ proc, sys }: KernelDirectories = { proc: "/proc", sys: "/sys" }): RootFileSystem {
  // Of several at the same place the last one is on top.
  const root = readMountTable(path.join(proc, "self/mountinfo")).findLast(({ mountPoint }) => mountPoint === "/");
  if (root === undefined) throw new GuestError("failed-precondition", "the mount table names no root");
  const mapperFile = path.join(sys, "dev/block", root.device, "dm/uuid");
  return {
    type: root.type,
    isReadonly: root.options.includes("ro") || root.superOptions.includes("ro"),
    mapperId: readFileIfPresent(mapperFile, maxKernelFileBytes)?.toString("latin1").trim(),
  };
}
