import { tarError, untilNul } from "./entry.ts";

/** Size of a header and unit of padding. */
export const blockSize = 512;

/** The fields of one header block, before extension headers are applied. */
export interface TarHeader {
  readonly typeFlag: string;
  readonly path: Buffer;
  readonly linkTarget: Buffer;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedSeconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/**
 * Reads a header block (POSIX.1-1988 ustar; GNU and pre-POSIX variants differ in magic and prefix):
 *
 *     0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 typeflag 1
 *     157 linkname 100 | 257 magic 6 | 263 version 2 | 265 uname 32 | 297 gname 32 | 329 devmajor 8 | 337 devminor 8
 *     345 prefix 155 (POSIX magic only)
 *
 * @throws ImageError `invalid-image` for a wrong checksum, an unknown magic or a number that is none
 */
export function parseHeader(block: Buffer): TarHeader {
  verifyChecksum(block);
  const magic = block.toString("latin1", 257, 265);
  const posix = magic === "ustar\x0000";
  if (!posix && magic !== "ustar  \0" && !/^\0+$/.test(magic)) throw tarError("unknown magic in a header");
  const name = untilNul(block.subarray(0, 100));
  const prefix = posix ? untilNul(block.subarray(345, 500)) : Buffer.alloc(0);
  return {
    typeFlag: block.toString("latin1", 156, 157),
    path: prefix.length === 0 ? Buffer.from(name) : Buffer.concat([prefix, Buffer.from("/"), name]),
    linkTarget: Buffer.from(untilNul(block.subarray(157, 257))),
    size: naturalNumber(block.subarray(124, 136), "size"),
    mode: naturalNumber(block.subarray(100, 108), "mode"),
    uid: naturalNumber(block.subarray(108, 116), "uid"),
    gid: naturalNumber(block.subarray(116, 124), "gid"),
    modifiedSeconds: parseNumber(block.subarray(136, 148), "mtime"),
    deviceMajor: naturalNumber(block.subarray(329, 337), "device number"),
    deviceMinor: naturalNumber(block.subarray(337, 345), "device number"),
  };
}

/** Sum of all bytes, the checksum field itself counted as spaces. */
export function headerChecksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < blockSize; index++) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  return sum;
}

function verifyChecksum(block: Buffer): void {
  if (parseNumber(block.subarray(148, 156), "checksum") !== headerChecksum(block)) {
    throw tarError("wrong checksum of a header");
  }
}

function naturalNumber(field: Buffer, what: string): number {
  const value = parseNumber(field, what);
  if (value < 0) throw tarError(`negative ${what}`);
  return value;
}

/** Octal digits between optional spaces and NULs, or GNU's base 256 when the top bit is set. */
function parseNumber(field: Buffer, what: string): number {
  if (((field[0] ?? 0) & 0x80) !== 0) return parseBase256(field, what);
  const text = untilNul(field).toString("latin1").trim();
  if (!/^[0-7]*$/.test(text)) throw tarError(`${what} is no octal number`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

/** Two's complement, big endian, the top bit being the marker: 0x80… is positive, 0xff… negative. */
function parseBase256(field: Buffer, what: string): number {
  const negative = ((field[0] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  for (const [index, byte] of field.entries()) {
    const digit = index === 0 ? (negative ? byte : byte & 0x7f) : byte;
    value = (value << 8n) | BigInt(digit);
  }
  if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) throw tarError(`${what} is out of range`);
  return Number(value);
}
