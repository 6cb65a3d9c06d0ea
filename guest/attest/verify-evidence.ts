import { GuestError } from "../core/errors.ts";
import type { HostCertificate } from "./snp/certificate-table.ts";
import type { MinimumTcb } from "./snp/minimum-tcb.ts";
import { parseSnpEvidence } from "./snp/parse-evidence.ts";
import type { TcbVersion } from "./snp/report.ts";
import { validateSnpReport } from "./snp/validate.ts";
import { verifySnpEvidence } from "./snp/verify.ts";
import { validateTdxQuote } from "./tdx/validate.ts";
import { verifyTdxEvidence } from "./tdx/verify-evidence.ts";

/** What evidence is held against. */
export interface EvidenceExpectation {
  /** The manufacturer's root certificates that are trusted, DER or PEM. */
  readonly roots: readonly (string | Uint8Array)[];
  /** SNP: certificates that the evidence may lack, such as the ASK. */
  readonly intermediates?: readonly HostCertificate[];
  /** What the evidence has to bind. */
  readonly reportData?: Uint8Array;
  /** Digest of the initdata document that the VM has to run. */
  readonly initDataDigest?: Uint8Array;
  /** Launch digests (SNP) or MRTDs (TDX) that are acceptable. */
  readonly measurements?: readonly Uint8Array[];
  readonly allowDebug?: boolean;
  /** SNP: the oldest component versions that are acceptable. Those of TDX mean something only with Intel's collateral. */
  readonly minimumTcb?: MinimumTcb;
  /** The time that certificates must be valid at; undefined: not checked. */
  readonly now?: Date;
}

/** What may be believed of a VM whose evidence was verified; hex. */
export interface EvidenceClaims {
  readonly tee: "snp" | "tdx";
  readonly measurement: string;
  readonly reportData: string;
  /** HOST_DATA or MRCONFIGID. */
  readonly initData: string;
  /** RTMR0 to RTMR3; empty on SNP, which has none. */
  readonly registers: readonly string[];
  /** Whether an event log in the evidence gives the registers. */
  readonly logProven: boolean;
  /** SNP: component versions. */
  readonly tcb?: { readonly reported: TcbVersion; readonly committed: TcbVersion; readonly launch: TcbVersion };
}

/**
 * Verifies evidence (is it genuine?) and validates it (is it acceptable?). Evidence of other TEEs is refused: what can't be verified
 * isn't fine.
 *
 * @param tee as the protocol names it
 * @param text the evidence's JSON
 * @throws GuestError `permission-denied` that says what is wrong, `invalid-argument` for what can't be read, `unimplemented` for other
 *   TEEs; the sample TEE's evidence proves nothing and is refused by `permission-denied`
 */
export function verifyEvidence(tee: string, text: string | Uint8Array, expected: EvidenceExpectation): EvidenceClaims {
  if (tee === "snp") {
    const report = verifySnpEvidence(parseSnpEvidence(text), expected);
    validateSnpReport(report, expected);
    const { measurement, reportData, hostData, reportedTcb, committedTcb, launchTcb } = report;
    return {
      tee,
      ...inHex({ measurement, reportData, initData: hostData }),
      registers: [],
      logProven: false,
      tcb: { reported: reportedTcb, committed: committedTcb, launch: launchTcb },
    };
  }
  if (tee === "tdx") {
    const { body, logProven } = verifyTdxEvidence(text, expected);
    validateTdxQuote(body, expected);
    const { mrTd, reportData, mrConfigId, rtmr } = body;
    const registers = rtmr.map((value) => Buffer.from(value).toString("hex"));
    return { tee, ...inHex({ measurement: mrTd, reportData, initData: mrConfigId }), registers, logProven };
  }
  if (tee === "sample" || tee === "sampledevice") {
    throw new GuestError("permission-denied", "evidence of the sample TEE proves nothing");
  }
  throw new GuestError("unimplemented", `evidence of TEE ${tee.slice(0, 40)} can't be verified here`);
}

type Field = "measurement" | "reportData" | "initData";

function inHex(fields: Readonly<Record<Field, Uint8Array>>): Readonly<Record<Field, string>> {
  const hex = (name: Field): string => Buffer.from(fields[name]).toString("hex");
  return { measurement: hex("measurement"), reportData: hex("reportData"), initData: hex("initData") };
}
