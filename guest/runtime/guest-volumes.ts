import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { Directory } from "../sys/directory.ts";
import { isErrno } from "../sys/system-error.ts";
import type { GuestPaths } from "./guest-paths.ts";

/**
 * Opens something in one of the few directories of the guest that hosts may name and containers may see: what the host has copied
 * in, the sandbox's storages, cloud volumes. Never through a link, of which hosts and containers can plant any (threats 41, 67).
 *
 * @param path as the host names it
 * @param open gets the directory held open and the path below it
 * @throws GuestError `permission-denied` for a path that is elsewhere or leads through a link; what `open` throws
 */
export function openVolume<T>(path: string, paths: GuestPaths, open: (root: Directory, path: string) => T): T {
  const { root, relativePath } = locateVolume(path, paths);
  try {
    using directory = Directory.open(root, { mounts: "cross" });
    return open(directory, relativePath);
  } catch (error) {
    if (!isErrno(error, "ELOOP", "EXDEV")) throw error;
    throw new GuestError("permission-denied", "path leads through a link", { cause: error, fields: { path } });
  }
}

/**
 * The text of the path alone: which of the directories it is in, and where. Touches nothing.
 *
 * @throws GuestError `permission-denied` for a path that is elsewhere
 */
export function locateVolume(
  path: string,
  paths: GuestPaths,
): { readonly root: string; readonly relativePath: string } {
  const normalized = posix.normalize(path).replace(/\/$/u, "");
  const roots = [paths.sharedContainers, paths.sandboxStorage, paths.cloudVolumes];
  const root = roots.find((candidate) => normalized.startsWith(`${candidate}/`));
  if (root === undefined || path.includes("\0")) {
    throw new GuestError("permission-denied", "path is not in a volume", { fields: { path } });
  }
  return { root, relativePath: posix.relative(root, normalized) };
}
