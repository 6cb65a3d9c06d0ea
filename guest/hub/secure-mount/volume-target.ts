import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { MountPlace } from "../../runtime/storage/mount-place.ts";
import { Directory } from "../../sys/directory.ts";
import { removeFile } from "../../sys/file.ts";
import { isMountPoint, unmount } from "../../sys/mount.ts";
import type { StorageTools } from "./storage-tools.ts";
import type { BlockVolume } from "./volume-request.ts";

/** Where an opened volume appears: its file system, or a link to its device. */
export interface VolumeTarget {
  /** @param device path of the opened mapping @throws GuestError, SystemError */
  attach(device: string): void;
  /** Takes it out of sight again. @throws SystemError EBUSY while somebody uses the file system */
  detach(): void;
}

/**
 * Checks the place before anything is opened; no link on the way there is followed.
 *
 * @param roots directories below which volumes may appear
 * @throws GuestError `permission-denied` for a place elsewhere, or one where something is mounted already
 */
export function volumeTarget(
  { target, mountPoint }: Pick<BlockVolume, "target" | "mountPoint">,
  roots: readonly string[],
  { mountExt4 }: Pick<StorageTools, "mountExt4">,
): VolumeTarget {
  const root = roots.find((candidate) => mountPoint.startsWith(`${candidate}/`));
  if (root === undefined) {
    const problem = "SecureMount: no volume belongs at this place";
    throw new GuestError("permission-denied", problem, { fields: { path: mountPoint } });
  }
  if (target === "device") return deviceLink(root, mountPoint);
  const place = new MountPlace(root, mountPoint, [root]);
  return {
    attach: (device) => place.mount((directory) => mountExt4(device, directory.path)).close(),
    detach: () => {
      if (isMountPoint(mountPoint)) unmount(mountPoint);
    },
  };
}

function deviceLink(root: string, path: string): VolumeTarget {
  return {
    attach: (device) => {
      using directory = Directory.open(root, { mounts: "cross" });
      directory.symlink(device, posix.relative(root, path));
    },
    detach: () => removeFile(path),
  };
}
