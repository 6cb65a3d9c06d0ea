import fs from "node:fs";
import os from "node:os";
import { descriptorPath } from "./descriptor.ts";
import { libc, linux } from "./libc.ts";
import { maxTreeDepth } from "./limits.ts";
import { openBeneath } from "./open-beneath.ts";
import { asSystemCall, cString, isErrno, lastError, SystemError } from "./system-error.ts";

/**
 * Removes an entry of a directory with all that is below it. Links are removed, not followed. A mount anywhere in it stops
 * the removal with EXDEV or EBUSY before anything inside the mount is touched. A missing entry is fine.
 *
 * @param directory descriptor
 * @param name a plain name in it
 * @throws SystemError; what was removed until then stays removed
 */
export function removeTreeAt(directory: number, name: string | Uint8Array): void {
  try {
    unlinkAt(directory, name, 0);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    if (!isErrno(error, "EISDIR")) throw error;
    removeDirectoryAt(directory, name, 0);
  }
}

/** Removes all that a directory holds, under the rules of {@link removeTreeAt}. */
export function removeContents(directory: number, depth = 0): void {
  if (depth > maxTreeDepth) throw new SystemError(os.constants.errno.ELOOP, "unlinkat");
  const options = { encoding: "buffer", withFileTypes: true } as const;
  const entries = asSystemCall(() => fs.readdirSync(descriptorPath(directory), options));
  for (const entry of entries) {
    if (entry.isDirectory()) removeDirectoryAt(directory, entry.name, depth + 1);
    else unlinkAt(directory, entry.name, 0);
  }
}

function removeDirectoryAt(directory: number, name: string | Uint8Array, depth: number): void {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
  const child = openBeneath(directory, name, flags, 0, { symlinks: "refuse", mounts: "refuse" });
  try {
    removeContents(child, depth);
  } finally {
    fs.closeSync(child);
  }
  unlinkAt(directory, name, linux.AT_REMOVEDIR);
}

/** unlinkat(2). @throws SystemError */
export function unlinkAt(directory: number, name: string | Uint8Array, flags: number): void {
  if (libc.unlinkat(directory, cString(name, "unlinkat"), flags) !== 0) throw lastError("unlinkat", name);
}
