import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { Directory } from "../../sys/directory.ts";
import { bindMount } from "../../sys/mount.ts";
import type { GuestPaths } from "../guest-paths.ts";
import { isNormalizedBelow, MountPlace, makeReadonly } from "./mount-place.ts";
import type { Detach, StorageDriver } from "./storage-driver.ts";
import { refuseOption } from "./storage-options.ts";

/**
 * `bind`: a directory that the host has copied in, or another volume of the sandbox, at a second place of the guest.
 * Options: `ro`, `rw`, `bind`, `rbind`.
 */
export function createBindDriver(paths: GuestPaths): StorageDriver {
  return {
    name: "bind",
    lifetime: "container",
    attach: (storage) =>
      attachBind(storage, paths, [paths.sharedContainers, paths.sandboxStorage], [paths.sandboxStorage]),
  };
}

/**
 * `watchable-bind`: a directory of configuration files that the host updates. The reference copies and polls it, since a shared
 * file system tells nothing of changes; here CopyFile writes into the very directory, so a bind mount shows them at once.
 */
export function createWatchableBindDriver(paths: GuestPaths): StorageDriver {
  const targets = ["watchable", "passthrough/watchable"].map((name) => posix.join(paths.sharedContainers, name));
  return {
    name: "watchable-bind",
    lifetime: "container",
    attach: (storage) => attachBind(storage, paths, [paths.sharedContainers], targets),
  };
}

function attachBind(
  storage: Storage,
  paths: GuestPaths,
  sourceRoots: readonly string[],
  targetRoots: readonly string[],
): Detach {
  const readonly = isReadonly(storage);
  if (!isNormalizedBelow(storage.source, sourceRoots)) {
    throw new GuestError("permission-denied", "storage source is not allowed", { fields: { source: storage.source } });
  }
  const place = new MountPlace(paths.base, storage.mount_point, targetRoots);
  using base = Directory.open(paths.base, { mounts: "cross" });
  using source = base.openDirectory(posix.relative(paths.base, storage.source));
  place.mount(
    (target) => bindMount(source.path, target.path),
    (root) => {
      if (readonly) makeReadonly(root, storage.mount_point);
    },
  );
  return place.unmount;
}

function isReadonly(storage: Storage): boolean {
  let readonly = false;
  for (const option of storage.options) {
    if (option === "ro") readonly = true;
    else if (option === "rw") readonly = false;
    else if (option !== "bind" && option !== "rbind") refuseOption(storage, option);
  }
  return readonly;
}
