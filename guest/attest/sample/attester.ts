import type { Attester } from "../attester.ts";

/**
 * The TEE for development: its evidence repeats the report data and proves nothing. Verifiers know it by its name and refuse it
 * by default (spec/attestation-agent.md 5.1).
 */
export const sampleAttester: Attester = createSampleAttester("sample", "1");

/** A device beside the TEE, for development, too. */
export const sampleDeviceAttester: Attester = createSampleAttester("sampledevice", "2");

function createSampleAttester(tee: "sample" | "sampledevice", svn: string): Attester {
  return {
    tee,
    registers: undefined,
    getEvidence: async (reportData) => JSON.stringify({ svn, report_data: Buffer.from(reportData).toString("base64") }),
    bindInitData: async () => "unsupported",
    expectNoInitData: async () => {},
  };
}
