import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import type { Tpm } from "../../sys/tpm/tpm.ts";
import type { Attester } from "../attester.ts";
import { parseTdxQuote } from "../tdx/quote.ts";
import type { Pause } from "../tsm/tsm-report.ts";
import { encodeAzureEvidence } from "./evidence.ts";
import { expectedReportData, hclReportTypes, parseHclReport, tdReportBytes } from "./hcl-report.ts";
import type { AzureMetadataService } from "./metadata-service.ts";
import { bindInitDataToPcr, createPcrRegisters } from "./pcr-registers.ts";
import { makeVtpmStatement } from "./vtpm.ts";

/** What an attester for Azure is made of. */
export interface AzureParts {
  readonly tpm: Tpm;
  readonly metadata: AzureMetadataService;
  readonly pause: Pause;
}

/** Qualifying data of a TPM whose longest hash is SHA-384: 48 bytes work, 64 don't (spec/tee-abi.md 7.4). */
const maxReportDataBytes = 50;

/** How a VM's hardware is proven beside the vTPM: the member of the evidence, made from the HCL report. */
interface HardwareProof {
  readonly tee: "az-snp-vtpm" | "az-tdx-vtpm";
  readonly reportType: number;
  readonly member: "vcek" | "td_quote";
  prove(hclReport: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** Evidence of a SEV-SNP VM on Azure (spec/attestation-agent.md 5.4). PCR 8 holds the initdata digest. */
export function createAzureSnpAttester(parts: AzureParts): Attester {
  return createAttester(parts, {
    tee: "az-snp-vtpm",
    reportType: hclReportTypes.snp,
    member: "vcek",
    prove: (_report, signal) => parts.metadata.getVcek(signal),
  });
}

/** Evidence of a TDX VM on Azure (spec/attestation-agent.md 5.5). PCR 8 holds the initdata digest. */
export function createAzureTdxAttester(parts: AzureParts): Attester {
  return createAttester(parts, {
    tee: "az-tdx-vtpm",
    reportType: hclReportTypes.tdx,
    member: "td_quote",
    prove: async (bytes, signal) => {
      const report = parseHclReport(bytes);
      const quote = await parts.metadata.getTdQuote(report.hardwareReport.subarray(0, tdReportBytes), signal);
      if (timingSafeEqual(parseTdxQuote(quote).body.reportData, expectedReportData(report))) return quote;
      throw new GuestError("internal", "the TD quote is over another report than the vTPM's");
    },
  });
}

function createAttester({ tpm, pause }: AzureParts, { tee, reportType, member, prove }: HardwareProof): Attester {
  // There is one index for user data: two callers at once would write over each other.
  let last: Promise<unknown> = Promise.resolve();

  const makeEvidence = async (reportData: Uint8Array, signal: AbortSignal): Promise<string> => {
    const { hclReport, quote } = await makeVtpmStatement(tpm, reportData, pause, signal);
    if (parseHclReport(hclReport).reportType !== reportType) {
      throw new GuestError("failed-precondition", `the HCL report is not of ${tee}`);
    }
    const proof = await prove(hclReport, signal);
    return encodeAzureEvidence({ hclReport, quote, hardware: { member, proof } });
  };

  return {
    tee,
    registers: createPcrRegisters(tpm),

    getEvidence: async (reportData, signal) => {
      checkReportData(reportData);
      const evidence = last.then(() => makeEvidence(reportData, signal));
      last = evidence.catch(() => {}); // Its caller gets the error; the next one must not.
      return await evidence;
    },

    bindInitData: async (digest) => {
      await bindInitDataToPcr(tpm, digest);
      return "bound";
    },

    // The host sets nothing at launch: what provisioning has measured in place of initdata is in PCR 8.
    expectNoInitData: async () => {},
  };
}

function checkReportData({ length }: Uint8Array): void {
  if (length === 0) throw new GuestError("invalid-argument", "Azure vTPM Attester: unexpected empty report data");
  if (length > maxReportDataBytes) {
    const message = `Azure vTPM Attester: Report data must be no more than ${maxReportDataBytes} bytes`;
    throw new GuestError("invalid-argument", message);
  }
}
