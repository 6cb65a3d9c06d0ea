import fs from "node:fs";
import { GuestError } from "../core/errors.ts";
import { libc } from "./libc.ts";
import { asSystemCall, lastError } from "./system-error.ts";

/** Reads an open file from where it stands to its end. @throws as {@link readFileBounded}; the descriptor stays open */
export function readDescriptorBounded(fd: number, maxBytes: number): Buffer {
  const pieces: Buffer[] = [];
  let total = 0;
  for (;;) {
    const piece = Buffer.allocUnsafe(Math.min(maxBytes + 1 - total, 64 * 1024));
    const count = asSystemCall(() => fs.readSync(fd, piece));
    if (count === 0) return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, total);
    total += count;
    if (total > maxBytes) throw new GuestError("resource-exhausted", `file is over ${maxBytes} bytes`);
    pieces.push(piece.subarray(0, count));
  }
}

/** Reads the first bytes of an open file, from where it stands. @throws SystemError; the descriptor stays open */
export function readDescriptorStart(fd: number, maxBytes: number): Buffer {
  const bytes = Buffer.alloc(maxBytes);
  for (let done = 0; done < maxBytes; ) {
    const start = done;
    const count = asSystemCall(() => fs.readSync(fd, bytes, start, maxBytes - start, null));
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

/** Writes all of the bytes, at a place of the file or, without one, where it stands. @throws SystemError such as ENOSPC */
export function writeDescriptor(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.byteLength; ) {
    const at = position === undefined ? null : position + done;
    done += asSystemCall(() => fs.writeSync(fd, bytes, done, bytes.byteLength - done, at));
  }
}

/** Sets the permission bits of an open file, whatever the umask. @throws SystemError */
export function changeDescriptorMode(fd: number, mode: number): void {
  asSystemCall(() => fs.fchmodSync(fd, mode));
}

/** Sets the owner of an open file. Clears the setuid and setgid bits, so set the mode after it. @throws SystemError */
export function changeDescriptorOwner(fd: number, uid: number, gid: number): void {
  asSystemCall(() => fs.fchownSync(fd, uid, gid));
}

/** Cuts or lengthens an open file. @throws SystemError */
export function truncateDescriptor(fd: number, sizeBytes: number): void {
  asSystemCall(() => fs.ftruncateSync(fd, sizeBytes));
}

/** Closes a descriptor. @throws SystemError EBADF when it isn't open, which is a mistake of the caller */
export function closeDescriptor(fd: number): void {
  asSystemCall(() => fs.closeSync(fd));
}

/** The path by which this process, and mount(2), reach an open descriptor. */
export function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Makes every descriptor but the standard ones close on exec. Node does so with what it opens; what it was started with, such
 * as sockets of the service manager, would go to each program.
 *
 * @throws SystemError
 */
export function closeDescriptorsOnExec(): void {
  const CLOSE_RANGE_CLOEXEC = 4;
  if (libc.close_range(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC) !== 0) throw lastError("close_range");
}
