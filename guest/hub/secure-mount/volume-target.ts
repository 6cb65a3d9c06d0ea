import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { MountPlace } from "../../runtime/storage/mount-place.ts";
import { Directory } from "../../sys/directory.ts";
import type { StorageTools } from "./storage-tools.ts";
import type { BlockVolume } from "./volume-request.ts";

/**
 * Makes an opened volume appear: its file system, or a link to its device.
 *
 * @param device path of the opened mapping
 * @throws GuestError, SystemError; nothing has appeared then
 */
export type AttachVolume = (device: string) => void;

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
): AttachVolume {
  const root = roots.find((candidate) => mountPoint.startsWith(`${candidate}/`));
  if (root === undefined) {
    const problem = "SecureMount: no volume belongs at this place";
    throw new GuestError("permission-denied", problem, { fields: { path: mountPoint } });
  }
  if (target === "device") return (device) => linkDevice(device, root, mountPoint);
  const place = new MountPlace(root, mountPoint, [root]);
  return (device) => place.mount((directory) => mountExt4(device, directory.path));
}

function linkDevice(device: string, root: string, path: string): void {
  using directory = Directory.open(root, { mounts: "cross" });
  directory.symlink(device, posix.relative(root, path));
}
