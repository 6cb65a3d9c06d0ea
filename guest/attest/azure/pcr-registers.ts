import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { extendPcr, pcrBytes, readPcrs } from "../../sys/tpm/pcr.ts";
import type { Tpm } from "../../sys/tpm/tpm.ts";
import type { MeasurementRegisters } from "../attester.ts";

/** The PCR that holds the initdata's digest (spec/initdata.md 6.2). */
export const initDataPcr = 8;

/** PCRs of the SHA-256 bank as registers for events; the log calls each by its own number. */
export function createPcrRegisters(tpm: Tpm): MeasurementRegisters {
  return {
    hash: "sha256",
    logIndexOf: (pcr) => pcr,
    extend: (pcr, digest) => extendPcr(tpm, pcr, digest),
    read: (pcr) => readPcr(tpm, pcr),
  };
}

/** What PCR 8 holds when an initdata digest, and nothing else, was extended into it. */
export function initDataPcrValue(digest: Uint8Array): Buffer {
  return createHash("sha256").update(Buffer.alloc(pcrBytes)).update(digest).digest();
}

/**
 * Binds initdata by PCR 8: extends it when nothing has, accepts it when this very digest was extended already. So it may be called
 * again after a restart, where the reference extends a second time and can't be verified until the next boot.
 *
 * @throws GuestError `failed-precondition` for a digest that isn't SHA-256, and when something else is in PCR 8
 */
export async function bindInitDataToPcr(tpm: Tpm, digest: Uint8Array): Promise<void> {
  if (digest.length !== pcrBytes) {
    throw new GuestError(
      "failed-precondition",
      "expected sha256 digest: a vTPM binds no initdata of another algorithm",
    );
  }
  const expected = initDataPcrValue(digest);
  if (isUnused(await readPcr(tpm, initDataPcr))) await extendPcr(tpm, initDataPcr, digest);
  if (expected.equals(await readPcr(tpm, initDataPcr))) return;
  throw new GuestError("failed-precondition", "PCR 8 holds something else than this initdata's digest");
}

async function readPcr(tpm: Tpm, pcr: number): Promise<Uint8Array> {
  const [value] = await readPcrs(tpm, [pcr]);
  if (value === undefined) throw new GuestError("internal", `PCR ${pcr} was not read`);
  return value;
}

function isUnused(value: Uint8Array): boolean {
  return value.every((byte) => byte === 0);
}
