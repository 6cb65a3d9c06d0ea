import fs from "node:fs";
import path from "node:path";
import { asSystemCall } from "./system-error.ts";

/**
 * Block devices in a directory such as /dev, partitions among them.
 *
 * @param prefixes what their names start with, such as `vd`
 * @returns paths, sorted by name
 * @throws SystemError when the directory can't be read
 */
export function listBlockDevices(directory: string, prefixes: readonly string[]): string[] {
  return asSystemCall(() => fs.readdirSync(directory, { withFileTypes: true }))
    .filter((entry) => entry.isBlockDevice() && prefixes.some((prefix) => entry.name.startsWith(prefix)))
    .map((entry) => path.join(directory, entry.name))
    .sort();
}

/**
 * Reads a part of a file or block device.
 *
 * @returns fewer than `count` bytes only where it ends
 * @throws SystemError
 */
export function readFileRange(file: string, offset: number, count: number): Buffer {
  const fd = asSystemCall(() => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOCTTY));
  try {
    const bytes = Buffer.alloc(count);
    let done = 0;
    for (let read = 1; read > 0 && done < count; done += read)
      read = asSystemCall(() => fs.readSync(fd, bytes, done, count - done, offset + done));
    return bytes.subarray(0, done);
  } finally {
    fs.closeSync(fd);
  }
}
