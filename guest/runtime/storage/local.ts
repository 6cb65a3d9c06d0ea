import type { GuestPaths } from "../guest-paths.ts";
import { MountPlace } from "./mount-place.ts";
import type { StorageDriver } from "./storage-driver.ts";
import { parseVolumeOptions, volumeMode } from "./storage-options.ts";

/** Matches nothing. */
const noMountOptions = /(?!)/u;

/**
 * `local`: a plain directory, which is how an emptyDir on disk arrives (spec/agent-rpc.md 8.1). Options: `mode=`, `fsgid=`.
 * Lives as long as the sandbox.
 */
export function createLocalDriver(paths: GuestPaths): StorageDriver {
  return {
    name: "local",
    lifetime: "sandbox",
    attach(storage) {
      const options = parseVolumeOptions(storage, noMountOptions);
      const place = new MountPlace(paths.base, storage.mount_point, [paths.sharedContainers, paths.sandboxStorage]);
      using directory = place.open();
      directory.changeOwnerAndMode(0, options.groupId ?? 0, volumeMode(options, 0o755));
      return place.remove;
    },
  };
}
