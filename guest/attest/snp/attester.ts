import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import type { Attester } from "../attester.ts";
import { fitInitDataDigest, isAllZero, padReportData } from "../report-data.ts";
import { parseCertificateTable } from "./certificate-table.ts";
import { encodeSnpEvidence } from "./evidence.ts";
import { parseSnpReport, type SnpReport } from "./report.ts";

/** Makes reports: configfs-tsm, or the ioctls of /dev/sev-guest on older kernels. */
export interface SnpReportSource {
  /**
   * @param reportData exactly 64 bytes
   * @returns the report as the firmware made it (1184 bytes) and the host's certificate table, which may be empty
   * @throws GuestError `unavailable` or `internal`
   */
  getReport(
    reportData: Uint8Array,
    signal: AbortSignal,
  ): Promise<{ readonly report: Uint8Array; readonly certificateTable: Uint8Array }>;
}

const reportDataBytes = 64;
const hostDataBytes = 32;

/** Evidence of AMD SEV-SNP (spec/attestation-agent.md 5.2). HOST_DATA holds the initdata digest; it has no registers. */
export function createSnpAttester(source: SnpReportSource): Attester {
  return {
    tee: "snp",
    registers: undefined,

    getEvidence: async (reportData, signal) => {
      const padded = padReportData(reportData, reportDataBytes, "SNP");
      const { report, certificateTable } = await source.getReport(padded, signal);
      checkBinding(parseSnpReport(report), padded);
      return encodeSnpEvidence(report, parseCertificateTable(certificateTable));
    },

    bindInitData: async (digest) => {
      const hostData = await readHostData();
      if (isAllZero(hostData)) return "unsupported";
      if (timingSafeEqual(hostData, fitInitDataDigest(digest, hostDataBytes))) return "bound";
      throw new GuestError("failed-precondition", "HOSTDATA does not match.");
    },

    expectNoInitData: async () => {
      if (isAllZero(await readHostData())) return;
      throw new GuestError("failed-precondition", "HOSTDATA holds a digest, but the host has given no initdata");
    },
  };

  async function readHostData(): Promise<Uint8Array> {
    const { report } = await source.getReport(new Uint8Array(reportDataBytes), new AbortController().signal);
    return parseSnpReport(report).hostData;
  }
}

/** A report over other data would only be found out by the verifier, as a refusal that nobody can explain. */
function checkBinding(report: SnpReport, reportData: Uint8Array): void {
  if (timingSafeEqual(report.reportData, reportData)) return;
  throw new GuestError("internal", "the firmware made a report over other data than was asked for");
}
