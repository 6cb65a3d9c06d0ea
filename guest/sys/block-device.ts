import fs from "node:fs";
import path from "node:path";
import { GuestError } from "../core/errors.ts";
import { readFileBounded } from "./file.ts";
import { type DeviceNumber, statusAt } from "./file-status.ts";
import { linux } from "./libc.ts";
import { maxKernelFileBytes } from "./limits.ts";
import { readMountTable } from "./mount.ts";
import { asSystemCall } from "./system-error.ts";

/** A block device that is there. */
export interface BlockDevice {
  /** Its node, without links. */
  readonly path: string;
  readonly number: DeviceNumber;
}

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

/**
 * Writes to a part of a file or block device that exists, and waits until it is there.
 *
 * @throws SystemError
 */
export function writeFileRange(file: string, offset: number, bytes: Uint8Array): void {
  const fd = asSystemCall(() => fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_NOCTTY));
  try {
    for (let done = 0; done < bytes.byteLength; )
      done += asSystemCall(() => fs.writeSync(fd, bytes, done, bytes.byteLength - done, offset + done));
    asSystemCall(() => fs.fsyncSync(fd));
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Finds a block device by its path; links are followed.
 *
 * @throws GuestError `failed-precondition` when it is no block device; SystemError
 */
export function findBlockDevice(file: string): BlockDevice {
  const real = asSystemCall(() => fs.realpathSync(file));
  const { kind, specialDevice } = statusAt(linux.AT_FDCWD, real, 0);
  if (kind !== "block-device")
    throw new GuestError("failed-precondition", "this is no block device", { fields: { path: file } });
  return { path: real, number: specialDevice };
}

/**
 * Finds a block device by its number, as the kernel names it.
 *
 * @throws GuestError `failed-precondition` when its node is missing or another device's; SystemError ENOENT when there is none
 */
export function findBlockDeviceByNumber({ major, minor }: DeviceNumber): BlockDevice {
  const uevent = readFileBounded(`/sys/dev/block/${major}:${minor}/uevent`, maxKernelFileBytes).toString();
  const name = /^DEVNAME=(.+)$/m.exec(uevent)?.[1];
  if (name === undefined) throw new GuestError("failed-precondition", `device ${major}:${minor} has no name`);
  const device = findBlockDevice(`/dev/${name}`);
  if (device.number.major === major && device.number.minor === minor) return device;
  throw new GuestError("failed-precondition", `/dev/${name} is not device ${major}:${minor}`);
}

/** True when a file system on it is mounted, or another device (a mapping, an array) is made of it. @throws SystemError */
export function isBlockDeviceInUse({ number: { major, minor } }: BlockDevice): boolean {
  const isMounted = readMountTable().some(({ device }) => device === `${major}:${minor}`);
  return isMounted || asSystemCall(() => fs.readdirSync(`/sys/dev/block/${major}:${minor}/holders`)).length > 0;
}
