import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import { type TarEntry, type TarEntryType, type TarHandler, tarError, untilNul } from "./entry.ts";
import { blockSize, parseHeader, type TarHeader } from "./header.ts";
import { checkGlobalRecords, type PaxRecords, parsePaxRecords } from "./pax.ts";

type Caps = Pick<ImageLimits, "maxLayerEntries" | "maxExtensionBytes">;

/** What extension headers said about the entry that comes next. */
interface Extensions {
  pax?: PaxRecords;
  longName?: Buffer;
  longTarget?: Buffer;
}

/** Whose content is being read. */
type Reading = { readonly kind: "file" } | { readonly kind: "extension"; readonly typeFlag: string; chunks: Buffer[] };

const entryTypes: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hard-link",
  "2": "symbolic-link",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
};
const slash = 0x2f;

/**
 * A strict tar reader: fed with chunks of any size, it calls the handler synchronously. It understands ustar, PAX and GNU
 * long names, and refuses what two programs may read differently: global headers that rename, PAX and GNU names at once,
 * data behind the end marker, sparse files (threat model row 107).
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #caps: Caps;
  readonly #header = Buffer.alloc(blockSize);
  #headerLength = 0;
  /** Bytes of the current content still to come, and of the padding behind it. */
  #contentLeft = 0;
  #paddingLeft = 0;
  #reading: Reading | undefined;
  #extensions: Extensions = {};
  #zeroBlocks = 0;
  #headers = 0;

  constructor(handler: TarHandler, caps: Caps) {
    this.#handler = handler;
    this.#caps = caps;
  }

  /**
   * Takes the next bytes of the archive.
   *
   * @throws ImageError `invalid-image`, `limit`, or whatever the handler throws; the reader is unusable then
   */
  write(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#contentLeft > 0) offset += this.#takeContent(chunk, offset);
      else if (this.#paddingLeft > 0) offset += this.#skipPadding(chunk, offset);
      else offset += this.#takeHeader(chunk, offset);
    }
  }

  /**
   * Ends the archive. A missing end marker is tolerated, as by others; a broken-off entry is not.
   *
   * @throws ImageError `invalid-image`
   */
  end(): void {
    const inside = this.#headerLength > 0 || this.#contentLeft > 0 || this.#paddingLeft > 0;
    if (inside || Object.keys(this.#extensions).length > 0) throw tarError("it ends inside an entry");
  }

  #takeContent(chunk: Buffer, offset: number): number {
    const piece = chunk.subarray(offset, offset + this.#contentLeft);
    this.#contentLeft -= piece.length;
    if (this.#reading?.kind === "extension") this.#reading.chunks.push(Buffer.from(piece));
    else this.#handler.content(piece);
    if (this.#contentLeft === 0) this.#endContent();
    return piece.length;
  }

  #endContent(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    if (reading?.kind === "extension") this.#takeExtension(reading.typeFlag, Buffer.concat(reading.chunks));
    else this.#handler.endEntry();
  }

  #skipPadding(chunk: Buffer, offset: number): number {
    const skipped = Math.min(this.#paddingLeft, chunk.length - offset);
    this.#paddingLeft -= skipped;
    return skipped;
  }

  #takeHeader(chunk: Buffer, offset: number): number {
    const copied = chunk.copy(this.#header, this.#headerLength, offset, offset + blockSize - this.#headerLength);
    this.#headerLength += copied;
    if (this.#headerLength === blockSize) {
      this.#headerLength = 0;
      this.#readHeader();
    }
    return copied;
  }

  #readHeader(): void {
    if (isZero(this.#header)) {
      this.#zeroBlocks++;
      return;
    }
    if (this.#zeroBlocks > 0) throw tarError("data behind the end marker");
    if (++this.#headers > this.#caps.maxLayerEntries) {
      throw new ImageError("limit", `the layer has more than ${this.#caps.maxLayerEntries} entries`);
    }
    const header = parseHeader(this.#header);
    if ("xgLK".includes(header.typeFlag)) this.#beginExtension(header);
    else this.#beginEntry(header);
  }

  #beginExtension({ typeFlag, size }: TarHeader): void {
    if (size === 0) throw tarError("empty extension header");
    if (size > this.#caps.maxExtensionBytes) {
      throw new ImageError("limit", `an extension header of the layer has ${size} bytes`);
    }
    this.#reading = { kind: "extension", typeFlag, chunks: [] };
    this.#expectContent(size);
  }

  #takeExtension(typeFlag: string, content: Buffer): void {
    if (typeFlag === "g") {
      checkGlobalRecords(content);
      return;
    }
    const field = typeFlag === "x" ? "pax" : typeFlag === "L" ? "longName" : "longTarget";
    if (this.#extensions[field] !== undefined) throw tarError("an extension header stands twice before one entry");
    if (field === "pax") this.#extensions.pax = parsePaxRecords(content);
    else this.#extensions[field] = longName(content);
  }

  #beginEntry(header: TarHeader): void {
    const entry = combine(header, this.#extensions);
    this.#extensions = {};
    this.#handler.beginEntry(entry);
    if (entry.size === 0) {
      this.#handler.endEntry();
      return;
    }
    this.#reading = { kind: "file" };
    this.#expectContent(entry.size);
  }

  #expectContent(size: number): void {
    this.#contentLeft = size;
    this.#paddingLeft = (blockSize - (size % blockSize)) % blockSize;
  }
}

function combine(header: TarHeader, { pax, longName, longTarget }: Extensions): TarEntry {
  if ((pax?.path && longName) || (pax?.linkTarget && longTarget)) throw tarError("PAX and GNU names for one entry");
  const path = pax?.path ?? longName ?? header.path;
  const type = entryType(header.typeFlag, path);
  return {
    type,
    path,
    linkTarget: type.endsWith("-link") ? (pax?.linkTarget ?? longTarget ?? header.linkTarget) : Buffer.alloc(0),
    // Only files have content; for others the field is a leftover (links) or a hint (directories).
    size: type === "file" ? (pax?.size ?? header.size) : 0,
    mode: header.mode & 0o7777,
    uid: pax?.uid ?? header.uid,
    gid: pax?.gid ?? header.gid,
    modifiedNs: pax?.modifiedNs ?? BigInt(header.modifiedSeconds) * 1_000_000_000n,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs: pax?.xattrs ?? new Map(),
  };
}

/** Before POSIX there was no type for directories: a trailing slash said it. */
function entryType(typeFlag: string, path: Buffer): TarEntryType {
  const type = entryTypes[typeFlag];
  if (type === undefined) throw tarError(`entry type ${JSON.stringify(typeFlag)} is not supported`);
  if (type !== "file" || path.at(-1) !== slash) return type;
  if (typeFlag === "\0") return "directory";
  throw tarError("a file's name ends with a slash");
}

function longName(content: Buffer): Buffer {
  const name = untilNul(content);
  if (name.length === 0 || !isZero(content.subarray(name.length))) throw tarError("broken GNU long name");
  return name;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
