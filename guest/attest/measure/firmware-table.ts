import { GuestError } from "../../core/errors.ts";

/** What an OVMF build says of itself in the table of GUIDs at its end, by GUID in lower case. */
export type FirmwareTable = ReadonlyMap<string, Buffer>;

/** The reset vector stands behind the table. */
const resetVectorBytes = 32;
/** Length, then GUID: they stand behind the data that they describe. */
const entryHeaderBytes = 18;
const guidBytes = 16;
const footerGuid = "96b582de-1fb2-45f7-baea-a366c55a082d";
const maxFirmwareBytes = 64 * 1024 * 1024;

/**
 * Reads the table (edk2, OvmfPkg/ResetVector). It is read from its end.
 *
 * @param firmware the whole file, which is mapped up to 4 GiB
 * @throws GuestError `invalid-argument` for a firmware without such a table
 */
export function parseFirmwareTable(firmware: Uint8Array): FirmwareTable {
  const bytes = Buffer.from(firmware.buffer, firmware.byteOffset, firmware.byteLength);
  const footer = bytes.length - resetVectorBytes - entryHeaderBytes;
  if (footer < 0 || bytes.length > maxFirmwareBytes) throw malformed("has an impossible size");
  if (formatGuid(bytes, footer + 2) !== footerGuid) throw malformed("has no table of GUIDs: it is no OVMF");
  const start = footer + entryHeaderBytes - bytes.readUInt16LE(footer);
  if (start < 0) throw malformed("has a table that is longer than itself");
  const table = new Map<string, Buffer>();
  for (let end = footer; end > start; ) {
    const header = end - entryHeaderBytes;
    const length = header < start ? 0 : bytes.readUInt16LE(header);
    if (length < entryHeaderBytes || end - length < start) throw malformed("has a table entry of impossible length");
    table.set(formatGuid(bytes, header + 2), bytes.subarray(end - length, header));
    end -= length;
  }
  return table;
}

/** The number of an entry that holds one; undefined when there is no such entry. @throws GuestError `invalid-argument` */
export function numberOf(table: FirmwareTable, guid: string): number | undefined {
  const entry = table.get(guid);
  if (entry === undefined) return undefined;
  if (entry.length < 4) throw malformed("has a table entry that is cut off");
  return entry.readUInt32LE(0);
}

/**
 * The structure that an entry points at by its distance from the firmware's end: signature, and sections of a fixed size.
 *
 * @param layout where the number of sections stands, and where the sections begin
 * @returns each section's bytes; undefined without the entry
 * @throws GuestError `invalid-argument`
 */
export function parseMetadataSections(
  firmware: Uint8Array,
  guid: string,
  layout: { readonly signature: string; readonly sectionBytes: number },
): readonly Buffer[] | undefined {
  const distance = numberOf(parseFirmwareTable(firmware), guid);
  if (distance === undefined) return undefined;
  const start = firmware.length - distance;
  const descriptor = Buffer.from(firmware.subarray(Math.max(start, 0)));
  if (start < 0 || descriptor.length < metadataHeaderBytes) throw malformed("has metadata outside of itself");
  if (descriptor.toString("latin1", 0, 4) !== layout.signature) throw malformed(`has no ${layout.signature} metadata`);
  if (descriptor.readUInt32LE(8) !== metadataVersion) throw malformed("has metadata of another version");
  const count = descriptor.readUInt32LE(12);
  const sections = Array.from({ length: Math.min(count, maxMetadataSections + 1) }, (_, index) => {
    const at = metadataHeaderBytes + index * layout.sectionBytes;
    return descriptor.subarray(at, at + layout.sectionBytes);
  });
  if (count > maxMetadataSections || sections.some(({ length }) => length < layout.sectionBytes)) {
    throw malformed("has metadata that is cut off");
  }
  return sections;
}

/** Signature, length, version, number of sections: the same for SEV and TDX. */
const metadataHeaderBytes = 16;
const metadataVersion = 1;
const maxMetadataSections = 64;

/** GUIDs stand in the firmware as Microsoft writes them: the first three groups are little-endian numbers. */
export function encodeGuid(text: string): Buffer {
  const [first = "", second = "", third = "", ...rest] = text.split("-");
  const groups = [first, second, third].map((group) => Buffer.from(group, "hex").reverse());
  return Buffer.concat([...groups, Buffer.from(rest.join(""), "hex")]);
}

function formatGuid(bytes: Buffer, at: number): string {
  const guid = Buffer.from(bytes.subarray(at, at + guidBytes));
  const groups = [guid.subarray(0, 4).reverse(), guid.subarray(4, 6).reverse(), guid.subarray(6, 8).reverse()];
  return [...groups, guid.subarray(8, 10), guid.subarray(10)].map((group) => group.toString("hex")).join("-");
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `firmware ${reason}`);
}
