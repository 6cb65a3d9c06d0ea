import { GuestError } from "../core/errors.ts";

/**
 * Brings report data to the length of a TEE's field by zeros on the right (spec/attestation-agent.md 5).
 *
 * @param tee names the attester in the error, in the reference's words
 * @throws GuestError `invalid-argument` when the data is longer than the field: cutting it off would bind something else
 */
export function padReportData(reportData: Uint8Array, length: number, tee: string): Uint8Array {
  if (reportData.length > length) {
    throw new GuestError("invalid-argument", `${tee} Attester: Report data must be no more than ${length} bytes`);
  }
  const padded = new Uint8Array(length);
  padded.set(reportData);
  return padded;
}

/**
 * Brings an initdata digest to the length of a TEE's field, cut off or padded with zeros: verifiers do the same
 * (spec/attestation-agent.md 5, init-data summary).
 */
export function fitInitDataDigest(digest: Uint8Array, length: number): Uint8Array {
  const fitted = new Uint8Array(length);
  fitted.set(digest.subarray(0, length));
  return fitted;
}

/** True for a field that the platform has left alone. */
export function isAllZero(field: Uint8Array): boolean {
  return field.every((byte) => byte === 0);
}
