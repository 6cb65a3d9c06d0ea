import { GuestError } from "../../core/errors.ts";

/** A certificate that the host supplies beside a report. Nothing of it is trusted: verifiers check the chain. */
export interface HostCertificate {
  /** A known type or the GUID of another. */
  readonly type: CertificateType | { readonly guid: string };
  /** DER (for CRL, too). */
  readonly data: Uint8Array;
}

/** Types that verifiers know. */
export type CertificateType = "ARK" | "ASK" | "VCEK" | "VLEK" | "CRL";

/** GUIDs stand in the table in textual order (spec/tee-abi.md 2.1). */
const guids: ReadonlyMap<string, CertificateType> = new Map([
  ["c0b406a4-a803-4952-9743-3fb6014cd0ae", "ARK"],
  ["4ab7b379-bbac-4fe4-a02f-05aef327c782", "ASK"],
  ["63da758d-e664-4564-adc5-f4b93be8accd", "VCEK"],
  ["a8074bc2-a25a-483e-aae6-39c045a0b8a1", "VLEK"],
  ["92f81bc3-5811-4d3d-97ff-d19f88dc67ea", "CRL"],
]);

const entryBytes = 24;
/** What the extended guest request can carry (spec/tee-abi.md 2), with room for later kernels. */
const maxTableBytes = 64 * 1024;
const maxEntries = 32;

/**
 * Reads the host's certificate table: entries of GUID, offset and length up to one of zeros, then the data.
 *
 * @returns an empty list for an empty table and for one of zeros
 * @throws GuestError `invalid-argument` when an entry points outside the table or into its header
 */
export function parseCertificateTable(table: Uint8Array): readonly HostCertificate[] {
  if (table.length > maxTableBytes) throw malformed("is too long");
  const bytes = Buffer.from(table);
  const headerEnd = findTerminator(bytes);
  const certificates: HostCertificate[] = [];
  for (let at = 0; at < headerEnd; at += entryBytes) {
    const guid = formatGuid(bytes.subarray(at, at + 16));
    const offset = bytes.readUInt32LE(at + 16);
    const length = bytes.readUInt32LE(at + 20);
    if (offset < headerEnd + entryBytes || offset + length > bytes.length) throw malformed("points outside itself");
    certificates.push({
      type: guids.get(guid) ?? { guid },
      data: Uint8Array.from(bytes.subarray(offset, offset + length)),
    });
  }
  return certificates;
}

/** @returns offset of the entry of zeros; 0 for a table without entries */
function findTerminator(table: Buffer): number {
  if (table.every((byte) => byte === 0)) return 0;
  for (let at = 0; at + entryBytes <= table.length && at < maxEntries * entryBytes; at += entryBytes) {
    if (table.subarray(at, at + entryBytes).every((byte) => byte === 0)) return at;
  }
  throw malformed("has no end");
}

function formatGuid(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `SNP certificate table ${reason}`);
}
