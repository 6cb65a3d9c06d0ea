import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { Directory } from "../sys/directory.ts";
import type { ContainerMount } from "./conversion/mounts.ts";

/** Directories that every container gets filled by its runtime, mounts or not. */
const filledDirectories = ["/dev", "/proc", "/sys"];

/**
 * Refuses an image in which a directory that the runtime fills is a link: the runtime would fill what the link names
 * (threat 40). Links on the way to other mounts are the runtime's to resolve inside the root.
 *
 * @throws GuestError `permission-denied`
 */
export function refuseLinkedMountPoints(rootfs: string, mounts: readonly ContainerMount[]): void {
  const destinations = mounts.filter(({ kind }) => kind === "virtual").map(({ mount }) => mount.destination);
  using root = Directory.open(rootfs, { symlinks: "in-root" });
  for (const destination of new Set([...filledDirectories, ...destinations])) {
    if (posix.dirname(destination) !== "/") continue;
    if (root.statusIfPresent(destination.slice(1))?.kind === "symlink") {
      throw new GuestError("permission-denied", "the image has a link where a file system is to be mounted", {
        fields: { destination },
      });
    }
  }
}
