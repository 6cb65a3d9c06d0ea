import fs from "node:fs";
import { libc } from "./libc.ts";
import { cString, lastError } from "./system-error.ts";

/** What kind of file it is. */
export type FileKind = "file" | "directory" | "symlink" | "fifo" | "character-device" | "block-device" | "socket";

/** The metadata of a file. */
export interface FileStatus {
  readonly kind: FileKind;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
  /** Device and inode number together name a file. */
  readonly device: DeviceNumber;
  readonly inode: bigint;
  /** Which device the file is, for device nodes. */
  readonly specialDevice: DeviceNumber;
  readonly modified: Timestamp;
}

/** Number of a device. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** Time since the epoch; nanoseconds count forward from the seconds, also before 1970. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

const kinds: ReadonlyMap<number, FileKind> = new Map([
  [fs.constants.S_IFREG, "file"],
  [fs.constants.S_IFDIR, "directory"],
  [fs.constants.S_IFLNK, "symlink"],
  [fs.constants.S_IFIFO, "fifo"],
  [fs.constants.S_IFCHR, "character-device"],
  [fs.constants.S_IFBLK, "block-device"],
  [fs.constants.S_IFSOCK, "socket"],
]);

/** Everything that struct stat has, too. */
const statxBasicStats = 0x7ff;

/**
 * statx(2); its structure is the same on all machines, that of stat(2) is not.
 *
 * @param name relative to the descriptor; empty (with AT_EMPTY_PATH in flags) for the descriptor itself
 * @throws SystemError
 */
export function statusAt(directory: number, name: string | Uint8Array, flags: number): FileStatus {
  const result = Buffer.allocUnsafe(256);
  if (libc.statx(directory, cString(name, "statx"), flags, statxBasicStats, result) !== 0)
    throw lastError("statx", name);
  const mode = result.readUInt16LE(28);
  return {
    kind: kinds.get(mode & fs.constants.S_IFMT) ?? "file",
    mode: mode & 0o7777,
    uid: result.readUInt32LE(20),
    gid: result.readUInt32LE(24),
    sizeBytes: Number(result.readBigUInt64LE(40)),
    links: result.readUInt32LE(16),
    device: { major: result.readUInt32LE(136), minor: result.readUInt32LE(140) },
    inode: result.readBigUInt64LE(32),
    specialDevice: { major: result.readUInt32LE(128), minor: result.readUInt32LE(132) },
    modified: { seconds: result.readBigInt64LE(112), nanoseconds: result.readUInt32LE(120) },
  };
}

/** A device number as mknod(2) takes it: 12 + 20 bits of the major and 8 + 24 bits of the minor, interleaved. */
export function encodeDeviceNumber({ major, minor }: DeviceNumber): bigint {
  const high = BigInt(major >>> 0);
  const low = BigInt(minor >>> 0);
  return ((high & 0xfffn) << 8n) | ((high & ~0xfffn) << 32n) | (low & 0xffn) | ((low & ~0xffn) << 12n);
}

/** Two timespecs, access and modification time, as utimensat(2) takes them. */
export function encodeTimes(time: Timestamp): Buffer {
  const times = Buffer.allocUnsafe(32);
  for (const offset of [0, 16]) {
    times.writeBigInt64LE(time.seconds, offset);
    times.writeBigInt64LE(BigInt(time.nanoseconds), offset + 8);
  }
  return times;
}
