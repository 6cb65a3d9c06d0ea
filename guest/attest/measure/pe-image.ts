import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";

/** A section of a PE image as the loader sees it. */
export interface PeSection {
  /** Such as `.cmdline`. */
  readonly name: string;
  /** What is in memory: as many bytes as VirtualSize says, zeros where the file has fewer. */
  readonly content: Uint8Array;
}

/** Offsets of the PE/COFF specification that are needed here. */
interface PeLayout {
  readonly image: Buffer;
  readonly optionalHeader: number;
  readonly certificateEntry: number;
  readonly headersSize: number;
  readonly sections: readonly RawSection[];
}

interface RawSection {
  readonly name: string;
  readonly virtualSize: number;
  readonly rawSize: number;
  readonly rawOffset: number;
}

const peOffsetField = 0x3c;
const fileHeaderBytes = 24;
const sectionHeaderBytes = 40;
const checksumOffset = 64;
const certificateTableIndex = 4;
const maxSections = 96;
/** Zeros that a section may have in memory beyond the file's; a UKI's sections have none. */
const maxSectionBytes = 2 ** 31;

/** Sections in the order of the section table. @throws GuestError `invalid-argument` for a file that isn't a PE image */
export function parsePeSections(bytes: Uint8Array): readonly PeSection[] {
  const { image, sections } = parseLayout(bytes);
  return sections.map(({ name, virtualSize, rawSize, rawOffset }) => ({
    name,
    content: padTo(image.subarray(rawOffset, rawOffset + Math.min(virtualSize, rawSize)), virtualSize),
  }));
}

/**
 * The digest by which firmware measures and verifies a PE image: headers without checksum and certificate entry, sections in the order
 * of their place in the file, then what follows them without the certificates (Windows Authenticode Portable Executable Signature
 * Format; so a signature doesn't change it).
 *
 * @returns SHA-256
 * @throws GuestError `invalid-argument`
 */
export function authenticodeDigest(bytes: Uint8Array): Uint8Array {
  const { image, optionalHeader, certificateEntry, headersSize, sections } = parseLayout(bytes);
  const checksum = optionalHeader + checksumOffset;
  const hash = createHash("sha256");
  hash.update(image.subarray(0, checksum));
  hash.update(image.subarray(checksum + 4, certificateEntry));
  hash.update(image.subarray(certificateEntry + 8, headersSize));
  let hashed = headersSize;
  for (const { rawOffset, rawSize } of [...sections].sort((a, b) => a.rawOffset - b.rawOffset)) {
    hash.update(image.subarray(rawOffset, rawOffset + rawSize));
    hashed += rawSize;
  }
  const certificatesSize = image.readUInt32LE(certificateEntry + 4);
  if (hashed + certificatesSize > image.length) throw malformed("has sections that lie over each other");
  hash.update(image.subarray(hashed, image.length - certificatesSize));
  return hash.digest();
}

function parseLayout(bytes: Uint8Array): PeLayout {
  const image = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (at: number): number => (at + 2 <= image.length ? image.readUInt16LE(at) : cutOff());
  const u32 = (at: number): number => (at + 4 <= image.length ? image.readUInt32LE(at) : cutOff());
  if (image.toString("latin1", 0, 2) !== "MZ") throw malformed("is none: it does not begin with MZ");
  const header = u32(peOffsetField);
  if (u32(header) !== 0x0000_4550) throw malformed("has no PE header");
  const sectionCount = u16(header + 6);
  if (sectionCount > maxSections) throw malformed("has too many sections");
  const optionalHeader = header + fileHeaderBytes;
  // PE32+ has no BaseOfData, but larger fields.
  const directories = optionalHeader + (u16(optionalHeader) === 0x20b ? 112 : 96);
  if (u32(directories - 4) <= certificateTableIndex) throw malformed("has no certificate entry");
  const table = optionalHeader + u16(header + 20);
  const sections = Array.from({ length: sectionCount }, (_, index): RawSection => {
    const at = table + index * sectionHeaderBytes;
    return {
      virtualSize: u32(at + 8),
      rawSize: u32(at + 16),
      rawOffset: u32(at + 20),
      name: image.toString("latin1", at, at + 8).replace(/\0+$/, ""),
    };
  });
  const headersSize = u32(optionalHeader + 60);
  const certificateEntry = directories + certificateTableIndex * 8;
  if (headersSize > image.length || certificateEntry + 8 > headersSize) throw malformed("has impossible headers");
  for (const section of sections) checkSection(section, image.length);
  return { image, optionalHeader, certificateEntry, headersSize, sections };
}

function checkSection({ rawOffset, rawSize, virtualSize }: RawSection, fileSize: number): void {
  if (rawSize > 0 && rawOffset + rawSize > fileSize) cutOff();
  if (virtualSize > Math.min(maxSectionBytes, rawSize + fileSize)) throw malformed("has an impossible section");
}

function padTo(bytes: Buffer, length: number): Uint8Array {
  return bytes.length === length ? bytes : Buffer.concat([bytes], length);
}

function cutOff(): never {
  throw malformed("is cut off");
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `PE image ${reason}`);
}
