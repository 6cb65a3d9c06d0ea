import { createHash, type Hash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { parseMetadataSections } from "./firmware-table.ts";

/**
 * How a VMM builds a TD from its firmware. The digest depends on it: KVM since Linux 6.16 measures each page as it adds it
 * (`page-by-page`); the kernels before, which distributions carried as patches, add all pages of a section first
 * (`section-by-section`).
 */
export type MeasuringOrder = "page-by-page" | "section-by-section";

/** A section of the TDVF metadata (Intel TDX Virtual Firmware Design Guide, 11.2). */
interface TdvfSection {
  readonly content: Uint8Array;
  readonly address: bigint;
  readonly size: number;
  readonly attributes: number;
}

const tdvfMetadataGuid = "e47a6535-984a-4798-865e-4685a7bf8ec2";

/** Attributes: the content is measured; the pages are added later, by the guest. */
const extendMeasurement = 1;
const addedByGuest = 2;

const pageBytes = 4096;
const chunkBytes = 256;
const recordBytes = 128;
const maxSectionPages = 65_536;

/**
 * Computes MRTD: SHA-384 over what TDH.MEM.PAGE.ADD and TDH.MR.EXTEND measure while the VMM builds the TD.
 *
 * @param firmware a TDVF or OVMF with TDX metadata
 * @returns 48 bytes
 * @throws GuestError `invalid-argument` for a firmware without TDX metadata
 */
export function computeMrtd(firmware: Uint8Array, order: MeasuringOrder): Uint8Array {
  const hash = createHash("sha384");
  for (const section of parseTdvfSections(firmware)) {
    if ((section.attributes & addedByGuest) !== 0) continue;
    const isMeasured = (section.attributes & extendMeasurement) !== 0;
    for (let offset = 0; offset < section.size; offset += pageBytes) {
      addRecord(hash, "MEM.PAGE.ADD", section.address + BigInt(offset));
      if (isMeasured && order === "page-by-page") measure(hash, section, offset, pageBytes);
    }
    if (isMeasured && order === "section-by-section") measure(hash, section, 0, section.size);
  }
  return hash.digest();
}

/** TDH.MR.EXTEND for each chunk: a record, then the content. */
function measure(hash: Hash, { content, address }: TdvfSection, start: number, length: number): void {
  for (let offset = start; offset < start + length; offset += chunkBytes) {
    addRecord(hash, "MR.EXTEND", address + BigInt(offset));
    hash.update(Buffer.concat([content.subarray(offset, offset + chunkBytes)], chunkBytes));
  }
}

/** The name of the operation, and the address that it is about. */
function addRecord(hash: Hash, operation: string, address: bigint): void {
  const record = Buffer.alloc(recordBytes);
  record.write(operation, 0, "latin1");
  record.writeBigUInt64LE(address, 16);
  hash.update(record);
}

function parseTdvfSections(firmware: Uint8Array): readonly TdvfSection[] {
  const sections = parseMetadataSections(firmware, tdvfMetadataGuid, { signature: "TDVF", sectionBytes: 32 });
  if (sections === undefined) throw new GuestError("invalid-argument", "firmware has no metadata for TDX");
  return sections.map((bytes) => {
    const [offset, rawSize] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
    const memorySize = bytes.readBigUInt64LE(16);
    const isPossible = memorySize % BigInt(pageBytes) === 0n && memorySize <= BigInt(maxSectionPages * pageBytes);
    if (!isPossible || offset + rawSize > firmware.length || BigInt(rawSize) > memorySize) {
      throw new GuestError("invalid-argument", "firmware has an impossible TDX section");
    }
    return {
      content: firmware.subarray(offset, offset + rawSize),
      address: bytes.readBigUInt64LE(8),
      size: Number(memorySize),
      attributes: bytes.readUInt32LE(28),
    };
  });
}
