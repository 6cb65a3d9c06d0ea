import { pcrBytes } from "../../sys/tpm/pcr.ts";
import { initDataPcrValue } from "../azure/pcr-registers.ts";
import { fitInitDataDigest } from "../report-data.ts";

/** What a verifier should find where a platform binds initdata (spec/attestation-agent.md 5); hex. */
export interface InitDataValues {
  /** SEV-SNP: HOST_DATA, 32 bytes. */
  readonly hostData: string;
  /** TDX: MRCONFIGID, 48 bytes. */
  readonly mrConfigId: string;
  /** vTPM: PCR 8 of the SHA-256 bank; undefined unless the digest has 32 bytes, since nothing else can be extended. */
  readonly pcr8: string | undefined;
}

/**
 * The reference values of an initdata document (scenario I5).
 *
 * @param digest of the exact document, by the algorithm that it names
 */
export function computeInitDataValues(digest: Uint8Array): InitDataValues {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return {
    hostData: hex(fitInitDataDigest(digest, 32)),
    mrConfigId: hex(fitInitDataDigest(digest, 48)),
    pcr8: digest.length === pcrBytes ? hex(initDataPcrValue(digest)) : undefined,
  };
}
