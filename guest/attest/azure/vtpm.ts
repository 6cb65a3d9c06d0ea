import { createHash, verify } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { readNv, replaceNv } from "../../sys/tpm/nv.ts";
import { allPcrs, readPcrs } from "../../sys/tpm/pcr.ts";
import { parseQuoteStatement, quote } from "../../sys/tpm/quote.ts";
import { isTpmError } from "../../sys/tpm/response-code.ts";
import type { Tpm } from "../../sys/tpm/tpm.ts";
import type { Pause } from "../tsm/tsm-report.ts";
import { type HclReport, isHclReport, parseHclReport, parseRuntimeData, userDataBytes } from "./hcl-report.ts";

/** What the vTPM says about the VM, bound to a nonce. */
export interface VtpmStatement {
  /** NV index of the HCL report, all of it. */
  readonly hclReport: Uint8Array;
  readonly quote: VtpmQuote;
}

/** A quote over all PCRs of the SHA-256 bank. */
export interface VtpmQuote {
  /** TPMS_ATTEST. */
  readonly message: Uint8Array;
  /** Bare RSA signature. */
  readonly signature: Uint8Array;
  /** PCR 0 to 23. */
  readonly pcrs: readonly Uint8Array[];
}

/** Handles and indices of Azure's vTPM (spec/tee-abi.md 7.1). */
export const azureTpm = {
  hclReportIndex: 0x0140_0001,
  userDataIndex: 0x0140_0002,
  attestationKey: 0x8100_0003,
} as const;

/** The paravisor makes a new report some time after the user data was written; the reference waits three seconds blindly. */
const refreshPauseMs = 250;
const maxRefreshPauses = 80;

/** A PCR that is extended between quote and reading spoils the quote. */
const maxQuotes = 5;

/**
 * The type of the HCL report, for detection.
 *
 * @returns undefined when there is no such report; other platforms keep other things in that index
 * @throws TpmError; GuestError `invalid-argument` for a report that is damaged: taking the VM for another kind would be wrong
 */
export async function readHclReportType(tpm: Tpm): Promise<number | undefined> {
  const bytes = await readReportIfReadable(tpm);
  return bytes === undefined || !isHclReport(bytes) ? undefined : parseHclReport(bytes).reportType;
}

/**
 * Binds a nonce into the HCL report (as user data) and into a quote (as qualifying data).
 *
 * @param nonce 1 to 50 bytes, which the caller has checked
 * @throws TpmError; GuestError `unavailable` when the paravisor makes no new report, `internal` for a quote that verifiers would refuse
 */
export async function makeVtpmStatement(
  tpm: Tpm,
  nonce: Uint8Array,
  pause: Pause,
  signal: AbortSignal,
): Promise<VtpmStatement> {
  await replaceNv(tpm, azureTpm.userDataIndex, nonce);
  const { bytes, report } = await readRefreshedReport(tpm, nonce, pause, signal);
  return { hclReport: bytes, quote: await makeQuote(tpm, nonce, report) };
}

/** Digest over PCR values as quotes have it. */
export function digestPcrs(pcrs: readonly Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(pcrs)).digest();
}

/** User data as the paravisor shows it: what the guest wrote, and zeros. */
export function padUserData(nonce: Uint8Array): Buffer {
  return Buffer.concat([nonce, Buffer.alloc(userDataBytes)], userDataBytes);
}

async function readRefreshedReport(
  tpm: Tpm,
  nonce: Uint8Array,
  pause: Pause,
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array; readonly report: HclReport }> {
  const wanted = padUserData(nonce);
  for (let pauses = 0; ; pauses += 1) {
    signal.throwIfAborted();
    const bytes = await readReportIfReadable(tpm);
    if (bytes === undefined) throw new GuestError("unavailable", "the vTPM holds no HCL report");
    const report = parseHclReport(bytes);
    const { userData } = parseRuntimeData(report.runtimeData);
    if (userData !== undefined && wanted.equals(userData)) return { bytes, report };
    if (pauses === maxRefreshPauses) {
      throw new GuestError("unavailable", "the paravisor made no report with our user data", {
        fields: { waitedMs: maxRefreshPauses * refreshPauseMs },
      });
    }
    await pause(refreshPauseMs, signal);
  }
}

async function makeQuote(tpm: Tpm, nonce: Uint8Array, report: HclReport): Promise<VtpmQuote> {
  const { attestationKey } = parseRuntimeData(report.runtimeData);
  for (let attempt = 1; attempt <= maxQuotes; attempt += 1) {
    const { message, signature } = await quote(tpm, azureTpm.attestationKey, nonce, allPcrs);
    // A wrong key or nonce would only be found out by the verifier, as a refusal that nobody can explain.
    const { extraData, pcrDigest } = parseQuoteStatement(message);
    if (!verify("sha256", message, attestationKey, signature)) {
      throw new GuestError("internal", "the vTPM's quote is not signed by the key that the HCL report names");
    }
    if (!Buffer.from(extraData).equals(nonce)) {
      throw new GuestError("internal", "the vTPM's quote is over other data than was asked for");
    }
    const pcrs = await readPcrs(tpm, allPcrs);
    if (digestPcrs(pcrs).equals(pcrDigest)) return { message, signature, pcrs };
  }
  throw new GuestError("unavailable", "the vTPM's PCRs change faster than they can be quoted");
}

async function readReportIfReadable(tpm: Tpm): Promise<Uint8Array | undefined> {
  try {
    return await readNv(tpm, azureTpm.hclReportIndex);
  } catch (error) {
    // Other platforms let nobody read the index.
    if (isTpmError(error, "NV_UNINITIALIZED", "NV_AUTHORIZATION", "NV_LOCKED", "AUTH_FAIL", "BAD_AUTH"))
      return undefined;
    throw error;
  }
}
