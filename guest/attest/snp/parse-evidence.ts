import { GuestError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import type { CertificateType, HostCertificate } from "./certificate-table.ts";
import { reportBytes } from "./report.ts";

/** What evidence of SNP holds. */
export interface SnpEvidence {
  /** The report as the firmware made it. */
  readonly report: Uint8Array;
  readonly certificates: readonly HostCertificate[];
}

/** Offsets of the byte strings (spec/attestation-agent.md 5.2). */
const byteFields: readonly (readonly [name: string, offset: number, length: number])[] = [
  ["family_id", 0x010, 16],
  ["image_id", 0x020, 16],
  ["report_data", 0x050, 64],
  ["measurement", 0x090, 48],
  ["host_data", 0x0c0, 32],
  ["id_key_digest", 0x0e0, 48],
  ["author_key_digest", 0x110, 48],
  ["report_id", 0x140, 32],
  ["report_id_ma", 0x160, 32],
  ["chip_id", 0x1a0, 64],
];

const numberFields: readonly (readonly [name: string, offset: number, bits: 8 | 32 | 64])[] = [
  ["version", 0x000, 32],
  ["guest_svn", 0x004, 32],
  ["policy", 0x008, 64],
  ["vmpl", 0x030, 32],
  ["sig_algo", 0x034, 32],
  ["plat_info", 0x040, 64],
  ["key_info", 0x048, 32],
  ["cpuid_fam_id", 0x188, 8],
  ["cpuid_mod_id", 0x189, 8],
  ["cpuid_step", 0x18a, 8],
  ["launch_mit_vector", 0x1f8, 64],
  ["current_mit_vector", 0x200, 64],
];

const tcbFields = [
  ["current_tcb", 0x038],
  ["reported_tcb", 0x180],
  ["committed_tcb", 0x1e0],
  ["launch_tcb", 0x1f0],
] as const;

const certificateTypes: readonly CertificateType[] = ["ARK", "ASK", "VCEK", "VLEK", "CRL"];

/**
 * Reads evidence of SNP and puts the report together again, every reserved byte zero, so that its signature can be verified.
 *
 * @throws GuestError `invalid-argument` that names the member
 */
export function parseSnpEvidence(text: string | Uint8Array): SnpEvidence {
  const evidence = parseJson(text);
  if (!isJsonObject(evidence) || !isJsonObject(evidence["attestation_report"])) throw malformed("attestation_report");
  const chain = evidence["cert_chain"];
  if (chain !== null && chain !== undefined && !isJsonArray(chain)) throw malformed("cert_chain");
  return {
    report: encodeReport(evidence["attestation_report"]),
    certificates: (chain ?? []).map(parseCertificate),
  };
}

function encodeReport(fields: JsonObject): Uint8Array {
  const report = Buffer.alloc(reportBytes);
  for (const [name, offset, bits] of numberFields) {
    // The members of CPU and mitigation are null in evidence of older versions, where these bytes are zero.
    const number = unsigned(fields[name] ?? 0, name, bits);
    if (bits === 64) report.writeBigUInt64LE(number, offset);
    else report.writeUIntLE(Number(number), offset, bits / 8);
  }
  for (const [name, offset, length] of byteFields) report.set(bytesOf(fields[name], name, length), offset);
  for (const [name, offset] of tcbFields) report.set(encodeTcb(fields[name], name), offset);
  report.set(encodeFirmware(fields["current"], "current"), 0x1e8);
  report.set(encodeFirmware(fields["committed"], "committed"), 0x1ec);
  const signature = fields["signature"];
  if (!isJsonObject(signature)) throw malformed("signature");
  report.set(bytesOf(signature["r"], "signature.r", 72), 0x2a0);
  report.set(bytesOf(signature["s"], "signature.s", 72), 0x2e8);
  return report;
}

/** fmc is null on all generations before Turin, whose versions stand elsewhere (spec/tee-abi.md 1.3). */
function encodeTcb(tcb: JsonValue | undefined, name: string): readonly number[] {
  if (!isJsonObject(tcb)) throw malformed(name);
  const version = (component: string): number => Number(unsigned(tcb[component], `${name}.${component}`, 8));
  const [bootloader, tee, snp, microcode] = ["bootloader", "tee", "snp", "microcode"].map(version);
  const fmc = tcb["fmc"];
  if (fmc === null || fmc === undefined) return [bootloader ?? 0, tee ?? 0, 0, 0, 0, 0, snp ?? 0, microcode ?? 0];
  return [version("fmc"), bootloader ?? 0, tee ?? 0, snp ?? 0, 0, 0, 0, microcode ?? 0];
}

function encodeFirmware(version: JsonValue | undefined, name: string): readonly number[] {
  if (!isJsonObject(version)) throw malformed(name);
  return ["build", "minor", "major"].map((part) => Number(unsigned(version[part], `${name}.${part}`, 8)));
}

function parseCertificate(entry: JsonValue): HostCertificate {
  const type = isJsonObject(entry) ? entry["cert_type"] : undefined;
  const data = isJsonObject(entry) ? entry["data"] : undefined;
  const known = certificateTypes.find((name) => name === type);
  if (known !== undefined) return { type: known, data: bytesOf(data, "cert_chain") };
  const guid = isJsonObject(type) ? type["OTHER"] : type;
  if (typeof guid !== "string") throw malformed("cert_chain");
  return { type: { guid }, data: bytesOf(data, "cert_chain") };
}

function bytesOf(value: JsonValue | undefined, name: string, length?: number): Uint8Array {
  const isByte = (item: JsonValue): item is number =>
    typeof item === "number" && Number.isInteger(item) && item >= 0 && item <= 255;
  if (!isJsonArray(value) || !value.every(isByte)) throw malformed(name);
  if (length !== undefined && value.length !== length) throw malformed(name);
  return Uint8Array.from(value);
}

function unsigned(value: JsonValue | undefined, name: string, bits: number): bigint {
  const isInteger = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
  const number = isInteger ? BigInt(value) : -1n;
  if (number < 0n || number >= 1n << BigInt(bits)) throw malformed(name);
  return number;
}

function malformed(member: string): GuestError {
  return new GuestError("invalid-argument", `SNP evidence: ${member} is missing or unusable`);
}
