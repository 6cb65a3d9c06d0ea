import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { encodeAzureEvidence } from "../../../guest/attest/azure/evidence.ts";
import { allPcrs, encodePcrSelection } from "../../../guest/sys/tpm/pcr.ts";
import { sized, uint16, uint32 } from "../../../guest/sys/tpm/wire.ts";
import { FakeAmd } from "../snp/fake-amd.ts";
import { createHclReport } from "./fake-azure.ts";

/** The authority of the evidence made here. */
export const amd = new FakeAmd();
/** The vTPM's attestation key. */
export const key = generateKeyPairSync("rsa", { modulusLength: 2048 });
/** What the evidence binds. */
export const nonce = Buffer.alloc(48, 9);
/** PCR 0 to 23: each byte is the number. */
export const pcrs = allPcrs.map((pcr) => Buffer.alloc(32, pcr));

/** What a test wants wrong in evidence that is otherwise right. */
export interface Faults {
  readonly signingKey?: KeyObject;
  readonly quotedNonce?: Uint8Array;
  readonly userData?: Uint8Array | undefined;
  readonly quotedPcrs?: readonly number[];
  readonly shownPcrs?: readonly Uint8Array[];
  readonly magic?: number;
  readonly reportType?: number;
  readonly changeReportData?: boolean;
  readonly policy?: bigint;
}

/** Evidence of az-snp-vtpm as real hardware would have signed it, but for the faults. */
export function makeEvidence(faults: Faults = {}): string {
  const { quotedPcrs = allPcrs, quotedNonce = nonce, magic = 0xff54_4347 } = faults;
  const digest = createHash("sha256").update(Buffer.concat(quotedPcrs.map((pcr) => pcrs[pcr] ?? Buffer.of())));
  const message = Buffer.concat([
    ...[uint32(magic), uint16(0x8018), sized(Buffer.alloc(34)), sized(quotedNonce), Buffer.alloc(17 + 8)],
    ...[encodePcrSelection(quotedPcrs), sized(digest.digest())],
  ]);
  const hclReport = createHclReport({
    reportType: faults.reportType ?? 2,
    makeHardwareReport: (reportData) =>
      amd.report({
        reportData: faults.changeReportData === true ? Buffer.alloc(64, 1) : reportData,
        ...(faults.policy === undefined ? {} : { policy: faults.policy }),
      }),
    attestationKey: key.publicKey,
    ...("userData" in faults && faults.userData === undefined ? {} : { userData: faults.userData ?? nonce }),
  });
  return encodeAzureEvidence({
    quote: {
      message,
      signature: sign("sha256", message, faults.signingKey ?? key.privateKey),
      pcrs: faults.shownPcrs ?? pcrs,
    },
    hclReport,
    hardware: { member: "vcek", proof: amd.vcek.data },
  });
}
