import type { ImageLimits } from "../limits.ts";
import { quoteName, tarError } from "../tar/entry.ts";

/** A path inside a layer as the names from its root down; empty for the root itself. Names are bytes. */
export type EntryPath = readonly Buffer[];

const slash = 0x2f;

/**
 * Splits an archive's path into names. Leading slashes and `.` mean nothing, as in every tar program; `..` is refused, even
 * where it would stay inside (threat model row 107).
 *
 * @throws ImageError `invalid-image`
 */
export function parseEntryPath(path: Buffer, caps: Pick<ImageLimits, "maxPathBytes" | "maxPathDepth">): EntryPath {
  if (path.length > caps.maxPathBytes) throw tarError(`a path of ${path.length} bytes`);
  if (path.includes(0)) throw tarError("a path with a NUL");
  const names: Buffer[] = [];
  for (let start = 0; start <= path.length; ) {
    const found = path.indexOf(slash, start);
    const end = found < 0 ? path.length : found;
    const name = path.subarray(start, end);
    if (isDots(name, 2)) throw tarError(`the path ${quoteName(path)} climbs`);
    if (name.length > 0 && !isDots(name, 1)) names.push(name);
    start = end + 1;
  }
  if (names.length > caps.maxPathDepth) throw tarError(`a path of ${names.length} names`);
  return names;
}

/** The path relative to the layer's root, for system calls. */
export function joinEntryPath(names: EntryPath): Buffer {
  return Buffer.concat(names.flatMap((name, index) => (index === 0 ? [name] : [separator, name])));
}

const separator = Buffer.from([slash]);

function isDots(name: Buffer, count: number): boolean {
  return name.length === count && name.every((byte) => byte === 0x2e);
}
