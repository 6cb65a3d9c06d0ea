import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { encodeGuid } from "./firmware-table.ts";

/** A kernel that the VMM loads itself (direct boot). */
export interface DirectBoot {
  /** The file that the VMM was given. */
  readonly kernel: Uint8Array;
  /** Empty when there is none. */
  readonly initrd: Uint8Array;
  readonly commandLine: string;
}

const tableGuid = "9438d606-4f22-4cc9-b479-a793d411fd21";
const commandLineGuid = "97d02dd8-bd20-4c94-aa78-e7714d36ab2a";
const initrdGuid = "44baf731-3a2f-4bd7-9af1-41e29169781d";
const kernelGuid = "4de79437-abd2-427f-b835-d5b172d2045b";

/** GUID, 16-bit length of the whole, then the content. */
const headerBytes = 18;
const pageBytes = 4096;

/**
 * The page with the hashes by which OVMF checks what the VMM hands it, as QEMU (`kernel-hashes=on`) writes it: SHA-256 of command line
 * with its NUL, initrd and kernel.
 *
 * @param offset where in the page the firmware looks for the table
 * @throws GuestError `invalid-argument` when it doesn't fit there
 */
export function encodeKernelHashesPage({ kernel, initrd, commandLine }: DirectBoot, offset: number): Uint8Array {
  const entry = (guid: string, content: Uint8Array | string): Buffer =>
    encodeEntry(guid, createHash("sha256").update(content).digest());
  const table = encodeEntry(
    tableGuid,
    Buffer.concat([entry(commandLineGuid, `${commandLine}\0`), entry(initrdGuid, initrd), entry(kernelGuid, kernel)]),
  );
  if (offset + table.length > pageBytes) {
    throw new GuestError("invalid-argument", "firmware looks for kernel hashes where they don't fit their page");
  }
  return Buffer.concat([Buffer.alloc(offset), table], pageBytes);
}

function encodeEntry(guid: string, content: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(headerBytes + content.length);
  return Buffer.concat([encodeGuid(guid), length, content]);
}
