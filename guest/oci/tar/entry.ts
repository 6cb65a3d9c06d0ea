import { ImageError } from "../errors.ts";

/** What a tar entry stands for. Other kinds (sparse files, volume labels, multi-volume parts) are refused. */
export type TarEntryType =
  | "file"
  | "hard-link"
  | "symbolic-link"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

/** An entry with all extension headers applied. Names are bytes: nothing says that they are UTF-8. */
export interface TarEntry {
  readonly type: TarEntryType;
  /** As it stands in the archive, not yet checked: may be absolute or climb. */
  readonly path: Buffer;
  /** Target of a hard or symbolic link, else empty. */
  readonly linkTarget: Buffer;
  /** Bytes of content that follow; 0 for all but files. */
  readonly size: number;
  /** Permission bits with set-user-id, set-group-id and sticky bit (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the epoch. */
  readonly modifiedNs: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Extended attributes by name. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** Where a {@link import("./reader.ts").TarReader} delivers: an entry, its content in pieces, its end. */
export interface TarHandler {
  beginEntry(entry: TarEntry): void;
  /** Called for files only. The chunk is the reader's; use it before returning. */
  content(chunk: Buffer): void;
  endEntry(): void;
}

/** A refused archive. */
export function tarError(why: string): ImageError {
  return new ImageError("invalid-image", `malformed layer archive: ${why}`);
}

/** Bytes up to the first NUL. */
export function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** A name for an error message: printable, short, never mistaken for something else. */
export function quoteName(name: Buffer): string {
  return JSON.stringify(name.subarray(0, 300).toString("latin1"));
}
