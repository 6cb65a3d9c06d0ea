import { GuestError } from "../../core/errors.ts";
import { maxPcrReadAttempts, pcrsPerRead } from "./limits.ts";
import type { Tpm } from "./tpm.ts";
import { type TpmReader, uint8, uint16, uint32 } from "./wire.ts";

/** TPM_ALG_SHA256, the one bank that is quoted and extended here. */
export const sha256Algorithm = 0x000b;

/** Bytes of a PCR in the SHA-256 bank. */
export const pcrBytes = 32;

/** PCRs of a platform TPM, 0 to 23. */
export const allPcrs: readonly number[] = Array.from({ length: 24 }, (_, index) => index);

const selectBytes = 3;

/** TPML_PCR_SELECTION with these PCRs of the SHA-256 bank. */
export function encodePcrSelection(pcrs: readonly number[]): Buffer {
  const bitmap = Buffer.alloc(selectBytes);
  for (const pcr of pcrs) {
    checkPcr(pcr);
    bitmap.writeUInt8(bitmap.readUInt8(pcr >> 3) | (1 << (pcr & 7)), pcr >> 3);
  }
  return Buffer.concat([uint32(1), uint16(sha256Algorithm), uint8(selectBytes), bitmap]);
}

/** The PCRs of a TPML_PCR_SELECTION that selects from the SHA-256 bank only. @throws GuestError `data-loss` for others */
export function readPcrSelection(reader: TpmReader): readonly number[] {
  if (reader.uint32() !== 1) throw reader.malformed("selects from several PCR banks or none");
  if (reader.uint16() !== sha256Algorithm) throw reader.malformed("selects from another PCR bank than SHA-256");
  const size = reader.uint8();
  if (size > selectBytes) throw reader.malformed("selects PCRs that a TPM doesn't have");
  const bitmap = reader.bytes(size);
  return allPcrs.filter((pcr) => pcr >> 3 < size && (bitmap.readUInt8(pcr >> 3) & (1 << (pcr & 7))) !== 0);
}

/**
 * Reads PCRs of the SHA-256 bank, all at one time: when one was extended between two answers of the TPM, all are read again.
 *
 * @returns the values in the order asked for, 32 bytes each
 * @throws TpmError; GuestError `unavailable` when the TPM has no SHA-256 bank or the PCRs never stand still
 */
export async function readPcrs(tpm: Tpm, pcrs: readonly number[]): Promise<readonly Uint8Array[]> {
  for (let attempt = 1; attempt <= maxPcrReadAttempts; attempt += 1) {
    const values = new Map<number, Uint8Array>();
    const counters = new Set<number>();
    for (let at = 0; at < pcrs.length; at += pcrsPerRead) {
      const chunk = pcrs.slice(at, at + pcrsPerRead);
      counters.add(await readChunk(tpm, chunk, values));
    }
    // The counter moves with every extension.
    if (counters.size <= 1) return pcrs.map((pcr) => values.get(pcr) ?? missing(pcr));
  }
  throw new GuestError("unavailable", "the TPM's PCRs change faster than they can be read");
}

/**
 * Extends a PCR of the SHA-256 bank: PCR = SHA-256(PCR ‖ digest).
 *
 * @param digest exactly 32 bytes
 * @throws TpmError; GuestError `invalid-argument`
 */
export async function extendPcr(tpm: Tpm, pcr: number, digest: Uint8Array): Promise<void> {
  checkPcr(pcr);
  if (digest.length !== pcrBytes) throw new GuestError("invalid-argument", "expected sha256 digest");
  const response = await tpm.execute({
    name: "TPM2_PCR_Extend",
    code: 0x182,
    handles: [pcr],
    authorized: true,
    parameters: [uint32(1), uint16(sha256Algorithm), digest],
  });
  response.end();
}

/** Reads up to eight PCRs into the map. @returns the TPM's update counter */
async function readChunk(tpm: Tpm, pcrs: readonly number[], values: Map<number, Uint8Array>): Promise<number> {
  const response = await tpm.execute({ name: "TPM2_PCR_Read", code: 0x17e, parameters: [encodePcrSelection(pcrs)] });
  const counter = response.uint32();
  const selected = readPcrSelection(response);
  if (response.uint32() !== selected.length) throw response.malformed("has another number of PCRs than it selects");
  for (const pcr of selected) {
    const value = response.sized();
    if (value.length !== pcrBytes) throw response.malformed("has a PCR of another length");
    values.set(pcr, value);
  }
  response.end();
  return counter;
}

function missing(pcr: number): never {
  throw new GuestError("unavailable", `the TPM has no PCR ${pcr} in the SHA-256 bank`);
}

function checkPcr(pcr: number): void {
  if (!allPcrs.includes(pcr)) throw new GuestError("invalid-argument", `there is no PCR ${pcr}`);
}
