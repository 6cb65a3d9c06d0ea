import { GuestError } from "../core/errors.ts";
import { Directory } from "../sys/directory.ts";
import { readMountTable, unmount } from "../sys/mount.ts";
import { isErrno } from "../sys/system-error.ts";
import { bundleOf, type GuestPaths } from "./guest-paths.ts";

/**
 * Makes a container's directory. It has to be new: what a host has put there before is not taken for a root file system
 * (threat 38), and the names of podkeep's own directories are no container ids.
 *
 * @throws GuestError `already-exists`
 */
export function createBundle(paths: GuestPaths, containerId: string): void {
  using base = Directory.open(paths.base);
  try {
    // Other users of the guest see that there is a container, not what it is made of.
    base.makeDirectory(containerId, 0o711);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new GuestError("already-exists", "something has the container's id already", { cause: error });
  }
}

/** Unmounts everything in a container's directory and removes it. A missing one is fine. */
export function removeBundle(paths: GuestPaths, containerId: string): void {
  const inside = `${bundleOf(paths, containerId)}/`;
  const mounted = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(inside));
  for (const { mountPoint } of mounted.reverse()) unmountIfThere(mountPoint);
  using base = Directory.open(paths.base);
  base.removeTree(containerId);
}

function unmountIfThere(mountPoint: string): void {
  try {
    unmount(mountPoint, { lazy: true });
  } catch (error) {
    // A lazy unmount of something above has taken it along.
    if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
  }
}
