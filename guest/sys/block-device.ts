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
 * Reads the start of a file or block device.
 *
 * @param count how many bytes; fewer come only when there are no more
 * @throws SystemError
 */
export function readFileStart(file: string, count: number): Buffer {
  const fd = asSystemCall(() => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOCTTY));
  try {
    const bytes = Buffer.alloc(count);
    let total = 0;
    for (let read = 1; read > 0 && total < count; total += read)
      read = asSystemCall(() => fs.readSync(fd, bytes, total, count - total, total));
    return bytes.subarray(0, total);
  } finally {
    fs.closeSync(fd);
  }
}
