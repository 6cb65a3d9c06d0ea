import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { extendPcr, pcrBytes, readPcrs } from "../../sys/tpm/pcr.ts";
import type { Tpm } from "../../sys/tpm/tpm.ts";
import type { MeasurementRegisters } from "../attester.ts";
import { isAllZero } from "../report-data.ts";

/** The PCR that holds the initdata's digest (spec/initdata.md 6.2). */
export const initDataPcr = 8;

/** Below it the PCRs stand for firmware, image and initdata, which verifiers have reference values for. */
const firstEventPcr = 16;
const lastEventPcr = 23;

/**
 * PCRs of the SHA-256 bank as registers for events; the log calls each by its own number. Events only go to PCR 16 to 23: one in
 * another PCR would spoil the attestation of the workload's own pod until it is started anew.
 */
export function createPcrRegisters(tpm: Tpm): MeasurementRegisters {
  return {
    hash: "sha256",
    logIndexOf: requireEventPcr,
    extend: async (pcr, digest) => extendPcr(tpm, requireEventPcr(pcr), digest),
    read: (pcr) => readPcr(tpm, pcr),
  };
}

function requireEventPcr(pcr: number): number {
  if (pcr >= firstEventPcr && pcr <= lastEventPcr) return pcr;
  throw new GuestError(
    "invalid-argument",
    `events go to PCR 16 to 23 only: PCR ${pcr} is part of what the image and the initdata are proven by`,
  );
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
  if (isAllZero(await readPcr(tpm, initDataPcr))) await extendPcr(tpm, initDataPcr, digest);
  if (expected.equals(await readPcr(tpm, initDataPcr))) return;
  throw new GuestError("failed-precondition", "PCR 8 holds something else than this initdata's digest");
}

async function readPcr(tpm: Tpm, pcr: number): Promise<Uint8Array> {
  const [value] = await readPcrs(tpm, [pcr]);
  if (value === undefined) throw new GuestError("internal", `PCR ${pcr} was not read`);
  return value;
}
