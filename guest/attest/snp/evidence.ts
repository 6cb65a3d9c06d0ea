import type { HostCertificate } from "./certificate-table.ts";
import { parseSnpReport, type TcbVersion } from "./report.ts";

/** Verifiers take the first of VCEK and VLEK; the rest of the order is the reference's. */
const order = ["ARK", "ASK", "VCEK", "VLEK", "CRL"];

/**
 * The evidence that verifiers of SNP read (spec/attestation-agent.md 5.2): the report's fields, byte strings as arrays of numbers, and
 * the host's certificates. 64-bit fields are exact, which is why this makes text and no object.
 *
 * @param report as the firmware made it
 * @throws GuestError `invalid-argument` when the report is none that evidence can carry
 */
export function encodeSnpEvidence(report: Uint8Array, certificates: readonly HostCertificate[]): string {
  const chain =
    certificates.length === 0 ? "null" : JSON.stringify([...certificates].sort(byType).map(certificateMember));
  return `{"attestation_report":${encodeReport(report)},"cert_chain":${chain}}`;
}

function encodeReport(bytes: Uint8Array): string {
  const report = parseSnpReport(bytes);
  const members: Readonly<Record<string, unknown>> = {
    version: report.version,
    guest_svn: report.guestSvn,
    policy: report.policy,
    family_id: report.familyId,
    image_id: report.imageId,
    vmpl: report.vmpl,
    sig_algo: report.signatureAlgorithm,
    current_tcb: tcbMember(report.currentTcb),
    plat_info: report.platformInfo,
    key_info: report.keyInfo,
    report_data: report.reportData,
    measurement: report.measurement,
    host_data: report.hostData,
    id_key_digest: report.idKeyDigest,
    author_key_digest: report.authorKeyDigest,
    report_id: report.reportId,
    report_id_ma: report.reportIdMigrationAgent,
    reported_tcb: tcbMember(report.reportedTcb),
    cpuid_fam_id: report.cpuid?.family ?? null,
    cpuid_mod_id: report.cpuid?.model ?? null,
    cpuid_step: report.cpuid?.stepping ?? null,
    chip_id: report.chipId,
    committed_tcb: tcbMember(report.committedTcb),
    current: report.current,
    committed: report.committed,
    launch_tcb: tcbMember(report.launchTcb),
    launch_mit_vector: report.mitigation?.launch ?? null,
    current_mit_vector: report.mitigation?.current ?? null,
    signature: { r: [...report.signature.r], s: [...report.signature.s] },
  };
  return `{${Object.entries(members)
    .map(([name, value]) => `"${name}":${encodeMember(value)}`)
    .join(",")}}`;
}

function encodeMember(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  return JSON.stringify(value instanceof Uint8Array ? [...value] : value);
}

function tcbMember({ fmc, bootloader, tee, snp, microcode }: TcbVersion): TcbVersion {
  return { fmc, bootloader, tee, snp, microcode };
}

function certificateMember({ type, data }: HostCertificate): object {
  return { cert_type: typeof type === "string" ? type : { OTHER: type.guid }, data: [...data] };
}

function byType(a: HostCertificate, b: HostCertificate): number {
  const rank = ({ type }: HostCertificate): number => (typeof type === "string" ? order.indexOf(type) : order.length);
  return rank(a) - rank(b);
}
