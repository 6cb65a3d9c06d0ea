import { tarError } from "./entry.ts";

/** What the records of one PAX header change of the entry behind it. */
export interface PaxRecords {
  readonly path?: Buffer;
  readonly linkTarget?: Buffer;
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Nanoseconds since the epoch. */
  readonly modifiedNs?: bigint;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

const xattrPrefix = "SCHILY.xattr.";
/** Keys that describe sparse files in GNU's and Schily's dialects; ignoring them would yield a wrong file. */
const sparseKey = /^(GNU\.sparse\.|SCHILY\.realsize)/;
/** Keys whose value is a name or number that we apply. */
const appliedKey = /^(path|linkpath|size|uid|gid|mtime|SCHILY\.xattr\..*)$/s;

/**
 * Reads the content of an extended header (POSIX.1-2001 pax, type `x`): records `<length> <key>=<value>\n`, the length in
 * decimal counting the whole record. A later record wins; an empty value takes an earlier one back. Keys that don't
 * concern us are skipped.
 *
 * @throws ImageError `invalid-image`
 */
export function parsePaxRecords(content: Buffer): PaxRecords {
  const values = new Map<string, Buffer>();
  for (const { key, value } of splitRecords(content)) {
    if (sparseKey.test(key)) throw tarError("sparse files are not supported");
    if (value.length === 0) values.delete(key);
    else if (appliedKey.test(key)) values.set(key, value);
  }
  return applyRecords(values);
}

/**
 * Looks through a global header (type `g`). Archivers leave comments there; one that would rename or re-own every entry
 * behind it is read differently by different programs, and refused.
 *
 * @throws ImageError `invalid-image`
 */
export function checkGlobalRecords(content: Buffer): void {
  for (const { key } of splitRecords(content)) {
    if (appliedKey.test(key) || sparseKey.test(key)) throw tarError(`global header sets ${key.slice(0, 100)}`);
  }
}

function* splitRecords(content: Buffer): Generator<{ key: string; value: Buffer }> {
  for (let start = 0; start < content.length; ) {
    const space = content.indexOf(0x20, start);
    const lengthText = content.toString("latin1", start, Math.max(space, start));
    const end = start + Number(lengthText);
    if (!/^[1-9][0-9]{0,8}$/.test(lengthText) || end > content.length || end <= space || content[end - 1] !== 0x0a) {
      throw tarError("broken PAX record");
    }
    const equals = content.indexOf(0x3d, space);
    if (equals <= space + 1 || equals >= end) throw tarError("PAX record without a key");
    const key = content.toString("latin1", space + 1, equals);
    if (key.includes("\0")) throw tarError("PAX key with a NUL");
    yield { key, value: content.subarray(equals + 1, end - 1) };
    start = end;
  }
}

function applyRecords(values: ReadonlyMap<string, Buffer>): PaxRecords {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of values) {
    if (key.startsWith(xattrPrefix)) xattrs.set(key.slice(xattrPrefix.length), Buffer.from(value));
  }
  const name = (key: string) => optional(values.get(key), nameValue);
  const number = (key: string) => optional(values.get(key), decimalValue);
  return {
    xattrs,
    ...present("path", name("path")),
    ...present("linkTarget", name("linkpath")),
    ...present("size", number("size")),
    ...present("uid", number("uid")),
    ...present("gid", number("gid")),
    ...present("modifiedNs", optional(values.get("mtime"), timeValue)),
  };
}

function optional<T>(value: Buffer | undefined, read: (value: Buffer) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

function present<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  // The literal has exactly the key K when there is a value; TypeScript widens computed keys to string.
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };
}

function nameValue(value: Buffer): Buffer {
  if (value.includes(0)) throw tarError("PAX name with a NUL");
  return Buffer.from(value);
}

function decimalValue(value: Buffer): number {
  const text = value.toString("latin1");
  const number = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(number)) throw tarError("PAX number out of range");
  return number;
}

/** Seconds with an optional fraction, possibly negative, to nanoseconds; finer digits are cut off. */
function timeValue(value: Buffer): bigint {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]{0,30}))?$/.exec(value.toString("latin1"));
  if (match === null) throw tarError("PAX time out of range");
  const [, sign, seconds = "0", fraction = ""] = match;
  const magnitude = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -magnitude : magnitude;
}
