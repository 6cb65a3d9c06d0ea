import { timingSafeEqual, verify } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { allPcrs } from "../../sys/tpm/pcr.ts";
import { parseQuoteStatement } from "../../sys/tpm/quote.ts";
import type { HostCertificate } from "../snp/certificate-table.ts";
import type { MinimumTcb } from "../snp/minimum-tcb.ts";
import { validateSnpReport } from "../snp/validate.ts";
import { verifySnpEvidence } from "../snp/verify.ts";
import { validateTdxQuote } from "../tdx/validate.ts";
import { verifyTdxQuote } from "../tdx/verify.ts";
import { type AzureEvidence, parseAzureEvidence } from "./evidence.ts";
import { expectedReportData, type HclReport, hclReportTypes, parseHclReport, parseRuntimeData } from "./hcl-report.ts";
import { initDataPcr, initDataPcrValue } from "./pcr-registers.ts";
import { digestPcrs, padUserData } from "./vtpm.ts";

/** TEEs whose evidence is verified here. */
export type AzureTee = "az-snp-vtpm" | "az-tdx-vtpm";

/** What evidence is held against. Members that are undefined are not compared. */
export interface AzureExpectation {
  /** AMD's ARKs or Intel's root, DER or PEM, that are trusted. */
  readonly roots: readonly (string | Uint8Array)[];
  /** SNP: the evidence has no ASK, so it must come from here. */
  readonly intermediates?: readonly HostCertificate[];
  /** What quote and HCL report have to bind, exactly. */
  readonly reportData?: Uint8Array;
  /** SHA-256 digest of the initdata document that PCR 8 has to hold. */
  readonly initDataDigest?: Uint8Array;
  /** Launch digests (SNP) or MRTDs (TDX) of the paravisor that are acceptable. */
  readonly measurements?: readonly Uint8Array[];
  /** PCRs with the values that are acceptable. */
  readonly pcrs?: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly allowDebug?: boolean;
  /** SNP: the oldest component versions that are acceptable. */
  readonly minimumTcb?: MinimumTcb;
  /** The time that certificates must be valid at; undefined: not checked. */
  readonly now?: Date;
}

/** What may be believed of a VM whose evidence was verified; hex. */
export interface AzureClaims {
  readonly tee: AzureTee;
  /** Launch digest or MRTD: the paravisor and its firmware, not the image. */
  readonly measurement: string;
  /** The nonce. */
  readonly reportData: string;
  /** PCR 8. */
  readonly initData: string;
  /** PCR 0 to 23. */
  readonly registers: readonly string[];
  /** There is no event log in this evidence. */
  readonly logProven: false;
}

/**
 * Verifies evidence of an Azure VM (spec/kbs-server.md 6.4, 6.5): the hardware's report is genuine and vouches for the runtime data,
 * the key named there signed the quote, the quote is over the PCRs, the nonce is in both; then compares with expectations.
 *
 * @param text the evidence's JSON
 * @throws GuestError `permission-denied` that says what is wrong, `invalid-argument` or `data-loss` for what can't be read
 */
export function verifyAzureEvidence(tee: AzureTee, text: string | Uint8Array, expected: AzureExpectation): AzureClaims {
  const evidence = parseAzureEvidence(text, tee === "az-snp-vtpm" ? "vcek" : "td_quote");
  const report = parseHclReport(evidence.hclReport);
  const measurement = verifyHardware(tee, evidence, report, expected);
  const nonce = verifyQuote(evidence, report);
  validate(nonce, evidence.quote.pcrs, expected);
  const registers = evidence.quote.pcrs.map((pcr) => Buffer.from(pcr).toString("hex"));
  return {
    tee,
    measurement: Buffer.from(measurement).toString("hex"),
    reportData: Buffer.from(nonce).toString("hex"),
    initData: registers[initDataPcr] ?? "",
    registers,
    logProven: false,
  };
}

/** @returns launch digest or MRTD of a report that is genuine, acceptable and bound to the runtime data */
function verifyHardware(
  tee: AzureTee,
  { hardware: { proof } }: AzureEvidence,
  report: HclReport,
  { measurements, allowDebug, minimumTcb, ...trust }: AzureExpectation,
): Uint8Array {
  const isSnp = tee === "az-snp-vtpm";
  if (report.reportType !== (isSnp ? hclReportTypes.snp : hclReportTypes.tdx)) {
    throw refuse("the HCL report is of another TEE");
  }
  const expected = {
    reportData: expectedReportData(report),
    ...(measurements === undefined ? {} : { measurements }),
    ...(allowDebug === undefined ? {} : { allowDebug }),
  };
  if (isSnp) {
    const vcek: HostCertificate = { type: "VCEK", data: proof };
    const snp = verifySnpEvidence({ report: report.hardwareReport, certificates: [vcek] }, trust);
    validateSnpReport(snp, { ...expected, ...(minimumTcb === undefined ? {} : { minimumTcb }) });
    return snp.measurement;
  }
  const body = verifyTdxQuote(proof, trust);
  validateTdxQuote(body, expected);
  return body.mrTd;
}

/** @returns the nonce, which is in the quote and in the HCL report */
function verifyQuote({ quote: { message, signature, pcrs } }: AzureEvidence, report: HclReport): Uint8Array {
  const { attestationKey, userData } = parseRuntimeData(report.runtimeData);
  if (!verify("sha256", message, attestationKey, signature)) {
    throw refuse("the vTPM's quote is not signed by the key that the HCL report names");
  }
  const statement = parseQuoteStatement(message);
  if (statement.pcrs.length !== allPcrs.length) throw refuse("the vTPM's quote is not over all PCRs");
  if (!equals(digestPcrs(pcrs), statement.pcrDigest)) throw refuse("the PCRs are not those that the vTPM quoted");
  if (userData === undefined || !equals(userData, padUserData(statement.extraData))) {
    throw refuse("HCL report and quote are not over the same nonce");
  }
  return statement.extraData;
}

function validate(nonce: Uint8Array, pcrs: readonly Uint8Array[], expected: AzureExpectation): void {
  const { reportData, initDataDigest } = expected;
  if (reportData !== undefined && !equals(nonce, reportData)) throw refuse("the nonce is not as expected");
  if (initDataDigest !== undefined && !equals(initDataPcrValue(initDataDigest), pcrs[initDataPcr] ?? Buffer.of())) {
    throw refuse("PCR 8 does not hold the expected initdata digest");
  }
  for (const [pcr, values] of expected.pcrs ?? []) {
    const found = pcrs[pcr] ?? Buffer.of();
    if (!values.some((value) => equals(found, value))) throw refuse(`PCR ${pcr} is not as expected`);
  }
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function refuse(message: string): GuestError {
  return new GuestError("permission-denied", message);
}
