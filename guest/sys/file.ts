import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { GuestError } from "../core/errors.ts";
import { readDescriptorBounded } from "./descriptor.ts";
import { Directory } from "./directory.ts";
import { asSystemCall, isErrno } from "./system-error.ts";

/** Plain files at paths that only we can write. For places that others can write, use {@link Directory}. */

/**
 * Reads a whole file. Works for files of /proc and /sys, whose size isn't known before.
 *
 * @throws SystemError when it can't be read; GuestError `resource-exhausted` when there is more than `maxBytes`
 */
export function readFileBounded(file: string, maxBytes: number): Buffer {
  const fd = asSystemCall(() => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOCTTY));
  try {
    return readDescriptorBounded(fd, maxBytes);
  } catch (error) {
    if (error instanceof GuestError && error.code === "resource-exhausted")
      throw new GuestError("resource-exhausted", `file is over ${maxBytes} bytes`, { fields: { path: file } });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** As {@link readFileBounded}, but undefined when there is no such file, or no such process any more. */
export function readFileIfPresent(file: string, maxBytes: number): Buffer | undefined {
  try {
    return readFileBounded(file, maxBytes);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/**
 * Replaces a file as a whole: readers see the old or the new content, never a part.
 *
 * @param mode permission bits, independent of the umask
 * @throws SystemError; no temporary file stays behind
 */
export function writeFileAtomically(file: string, bytes: Uint8Array | string, mode = 0o600): void {
  const temporary = `${file}.${randomBytes(8).toString("hex")}`;
  asSystemCall(() => {
    const fd = fs.openSync(temporary, "wx", mode);
    try {
      fs.fchmodSync(fd, mode);
      fs.writeFileSync(fd, bytes);
      fs.renameSync(temporary, file);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Writes to a file that must be there, such as a knob of /proc/sys or a cgroup, in one call. @throws SystemError */
export function writeKernelFile(file: string, text: string): void {
  asSystemCall(() => {
    const fd = fs.openSync(file, fs.constants.O_WRONLY);
    try {
      fs.writeSync(fd, text);
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Makes a directory and those above it that are missing. @throws SystemError */
export function makeDirectories(directory: string, mode = 0o755): void {
  asSystemCall(() => fs.mkdirSync(directory, { recursive: true, mode }));
}

/**
 * What changes when a file is written or replaced by another: for looking whether it is worth reading again.
 *
 * @returns undefined when there is no such file
 * @throws SystemError
 */
export function fileVersion(file: string): string | undefined {
  const status = asSystemCall(() => fs.statSync(file, { bigint: true, throwIfNoEntry: false }));
  return status && [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(":");
}

/** Names in a directory, unordered. @throws SystemError */
export function listDirectory(directory: string): string[] {
  return asSystemCall(() => fs.readdirSync(directory));
}

/** True when something is there; a link counts as itself. @throws SystemError for anything but a missing path */
export function pathExists(file: string): boolean {
  return asSystemCall(() => fs.lstatSync(file, { throwIfNoEntry: false })) !== undefined;
}

/** Removes a file or link; a missing one is fine. @throws SystemError */
export function removeFile(file: string): void {
  try {
    asSystemCall(() => fs.unlinkSync(file));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/**
 * Removes a file or a tree. Follows no link and crosses no mount: what is mounted below stays as it is and makes the removal
 * fail (threat model rows 35 and 133). A missing path is fine.
 *
 * @throws SystemError EXDEV or EBUSY when something is mounted inside
 */
export function removeTreeSafely(target: string): void {
  let parent: Directory;
  try {
    parent = Directory.open(path.dirname(target));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  try {
    parent.removeTree(path.basename(target));
  } finally {
    parent.close();
  }
}
