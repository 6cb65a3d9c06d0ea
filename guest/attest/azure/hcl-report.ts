import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";

/** The report that Azure's paravisor (HCL) leaves in the vTPM: the hardware's report and what that report vouches for. */
export interface HclReport {
  /** {@link hclReportTypes}; also a trusted-launch VM, which has no hardware report, and others. */
  readonly reportType: number;
  /** SNP report, 1184 bytes; for TDX a TDREPORT of 1024 bytes and zeros. */
  readonly hardwareReport: Uint8Array;
  /** JSON, exactly the bytes that the hardware's report data is the digest of. */
  readonly runtimeData: Uint8Array;
}

/** What the paravisor says in the runtime data. */
export interface HclRuntimeData {
  /** The vTPM's attestation key, `HCLAkPub`. */
  readonly attestationKey: KeyObject;
  /** 64 bytes: what the guest wrote into the user-data index, zeros behind it. Undefined from old paravisors. */
  readonly userData: Uint8Array | undefined;
}

/** Report types of confidential VMs. */
export const hclReportTypes = { snp: 2, tdx: 4 } as const;

/** Bytes of `user-data`. */
export const userDataBytes = 64;

/** Bytes of a TDREPORT, which TDX has in place of the SNP report. */
export const tdReportBytes = 1024;

const magic = "HCLA";
const hardwareReportOffset = 32;
const hardwareReportBytes = 1184;
const dataHeaderOffset = hardwareReportOffset + hardwareReportBytes;
const dataHeaderBytes = 20;
const runtimeDataOffset = dataHeaderOffset + dataHeaderBytes;
const maxReportBytes = 16 * 1024;
const minKeyBits = 2048;

/** Whether bytes begin as a report does. */
export function isHclReport(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, magic.length)).equals(Buffer.from(magic));
}

/**
 * Reads a report (spec/tee-abi.md 7.2). Zeros may stand behind it.
 *
 * @param bytes the whole content of the NV index
 * @throws GuestError `invalid-argument`
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  const report = Buffer.from(bytes);
  if (report.length < runtimeDataOffset || report.length > maxReportBytes) throw malformed("has an impossible length");
  if (!isHclReport(report)) throw malformed("does not begin with HCLA");
  const dataSize = report.readUInt32LE(dataHeaderOffset);
  const reportType = report.readUInt32LE(dataHeaderOffset + 8);
  const runtimeDataSize = report.readUInt32LE(dataHeaderOffset + 16);
  const end = runtimeDataOffset + runtimeDataSize;
  if (dataSize !== dataHeaderBytes + runtimeDataSize || end > report.length) throw malformed("is cut off");
  return {
    reportType,
    hardwareReport: report.subarray(hardwareReportOffset, dataHeaderOffset),
    runtimeData: report.subarray(runtimeDataOffset, end),
  };
}

/** Reads the runtime data. @throws GuestError `invalid-argument` */
export function parseRuntimeData(bytes: Uint8Array): HclRuntimeData {
  const data = parseJson(bytes);
  if (!isJsonObject(data) || !isJsonArray(data["keys"])) throw malformed("has no keys");
  const keys = data["keys"].filter((key) => isJsonObject(key) && key["kid"] === "HCLAkPub");
  const [key] = keys;
  if (keys.length !== 1 || !isJsonObject(key)) throw malformed("does not name one attestation key");
  return { attestationKey: importKey(key), userData: parseUserData(data) };
}

/**
 * What the hardware's report data must be: the digest of the runtime data and zeros. It is SHA-256 for every verifier, whatever
 * report_data_hash_type says.
 *
 * @returns 64 bytes
 */
export function expectedReportData({ runtimeData }: HclReport): Uint8Array {
  return Buffer.concat([createHash("sha256").update(runtimeData).digest(), Buffer.alloc(32)]);
}

function importKey({ kty, n, e }: JsonObject): KeyObject {
  if (kty !== "RSA" || typeof n !== "string" || typeof e !== "string") throw malformed("has no RSA attestation key");
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { kty, n, e }, format: "jwk" });
  } catch (cause) {
    throw new GuestError("invalid-argument", "HCL report has an attestation key that can't be read", { cause });
  }
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < minKeyBits) throw malformed("has a weak attestation key");
  return key;
}

function parseUserData(data: JsonObject): Uint8Array | undefined {
  const text = data["user-data"];
  if (text === undefined) return undefined;
  if (typeof text !== "string" || !/^[0-9a-fA-F]{128}$/.test(text)) throw malformed("has unusable user data");
  return Buffer.from(text, "hex");
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `HCL report ${reason}`);
}
