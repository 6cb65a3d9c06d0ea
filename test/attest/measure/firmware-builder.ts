import { encodeGuid } from "../../../guest/attest/measure/firmware-table.ts";

const sevMetadata = "dc886566-984a-4798-a75e-5585a7bf67cc";
const kernelHashes = "7255371f-3a3b-4b04-927b-1da6efa8d454";
const sevResetBlock = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const tdvfMetadata = "e47a6535-984a-4798-865e-4685a7bf8ec2";
const footer = "96b582de-1fb2-45f7-baea-a366c55a082d";

const metadataOffset = 0x100;

/** Address, size and type of sections in SEV metadata. */
export type SevSection = readonly [address: number, size: number, type: number];

/** A firmware of 16 KiB with SEV metadata and a table of GUIDs, filled with a pattern. */
export function buildSevFirmware(
  sections: readonly SevSection[],
  options: { readonly hashesAddress?: number; readonly signature?: string; readonly sizeBytes?: number } = {},
): Buffer {
  const sizeBytes = options.sizeBytes ?? 0x4000;
  const metadata = Buffer.concat([
    Buffer.from(options.signature ?? "ASEV"),
    words(16 + sections.length * 12, 1, sections.length),
    ...sections.map((section) => words(...section)),
  ]);
  const entries = [
    entry(sevMetadata, words(sizeBytes - metadataOffset)),
    entry(kernelHashes, words(options.hashesAddress ?? 0x80_fc00, 0x400)),
    entry(sevResetBlock, words(0x80_b004)),
  ];
  return build(sizeBytes, metadata, entries);
}

/** A section in TDVF metadata; `content` stands at `offset` in the file. */
export interface TdvfSection {
  readonly offset: number;
  readonly rawSize: number;
  readonly address: bigint;
  readonly size: bigint;
  readonly attributes: number;
}

/** A firmware of 16 KiB with TDX metadata. */
export function buildTdxFirmware(sections: readonly TdvfSection[]): Buffer {
  const sizeBytes = 0x4000;
  const metadata = Buffer.concat([
    Buffer.from("TDVF"),
    words(16 + sections.length * 32, 1, sections.length),
    ...sections.map(({ offset, rawSize, address, size, attributes }) =>
      Buffer.concat([words(offset, rawSize), quadword(address), quadword(size), words(0, attributes)]),
    ),
  ]);
  return build(sizeBytes, metadata, [entry(tdvfMetadata, words(sizeBytes - metadataOffset))]);
}

function build(sizeBytes: number, metadata: Uint8Array, entries: readonly Uint8Array[]): Buffer {
  const firmware = Buffer.from(Array.from({ length: sizeBytes }, (_, at) => (at * 7 + 3) % 256));
  firmware.set(metadata, metadataOffset);
  const table = Buffer.concat(entries);
  const end = entry(footer, Buffer.alloc(table.length)).subarray(table.length);
  firmware.set(Buffer.concat([table, end]), sizeBytes - 32 - table.length - end.length);
  return firmware;
}

/** Data, then the length of all and the GUID. */
function entry(guid: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(data.length + 18);
  return Buffer.concat([data, length, encodeGuid(guid)]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => void bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

function quadword(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
