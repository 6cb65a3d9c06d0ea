import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { descriptorPath } from "./descriptor.ts";
import { libc, linux } from "./libc.ts";
import { maxOpenLevels } from "./limits.ts";
import { openBeneath } from "./open-beneath.ts";
import { asSystemCall, cString, isErrno, lastError } from "./system-error.ts";

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
    withDirectory(directory, name, removeContents);
    unlinkAt(directory, name, linux.AT_REMOVEDIR);
  }
}

/**
 * Removes all that a directory holds, under the rules of {@link removeTreeAt}. However deep a tree is, so many levels are open at once
 * as {@link maxOpenLevels} says: what is below them is moved up first.
 */
export function removeContents(top: number): void {
  while (removeLevels(top, top, 0)) {
    // What was too deep is now at the top.
  }
}

/** @returns whether something was moved to the top instead */
function removeLevels(directory: number, top: number, depth: number): boolean {
  const options = { encoding: "buffer", withFileTypes: true } as const;
  const entries = asSystemCall(() => fs.readdirSync(descriptorPath(directory), options));
  let isMoved = false;
  for (const entry of entries) {
    if (!entry.isDirectory()) {
      unlinkAt(directory, entry.name, 0);
    } else if (depth < maxOpenLevels) {
      const hasMoved = withDirectory(directory, entry.name, (child) => removeLevels(child, top, depth + 1));
      unlinkAt(directory, entry.name, linux.AT_REMOVEDIR);
      isMoved ||= hasMoved;
    } else {
      moveToTop(directory, entry.name, top);
      isMoved = true;
    }
  }
  return isMoved;
}

function moveToTop(directory: number, name: Uint8Array, top: number): void {
  const source = cString(name, "renameat2");
  if (libc.renameat2(directory, source, top, cString(randomUUID(), "renameat2"), linux.RENAME_NOREPLACE) !== 0)
    throw lastError("renameat2", name);
}

function withDirectory<T>(directory: number, name: string | Uint8Array, action: (child: number) => T): T {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
  const child = openBeneath(directory, name, flags, 0, { symlinks: "refuse", mounts: "refuse" });
  try {
    return action(child);
  } finally {
    fs.closeSync(child);
  }
}

/** unlinkat(2). @throws SystemError */
export function unlinkAt(directory: number, name: string | Uint8Array, flags: number): void {
  if (libc.unlinkat(directory, cString(name, "unlinkat"), flags) !== 0) throw lastError("unlinkat", name);
}
