import { verify, X509Certificate } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { parseCertificateExtensions, parseDer, parseSmallInteger } from "../der.ts";
import type { CertificateType, HostCertificate } from "./certificate-table.ts";
import type { SnpEvidence } from "./parse-evidence.ts";
import { parseSnpReport, type SnpReport, signedBytes } from "./report.ts";

/** AMD's arc for what VCEK and VLEK certificates say of the chip (spec/tee-abi.md 2.2). */
const amd = "1.3.6.1.4.1.3704.1";
const hardwareIdOid = `${amd}.4`;
const componentOids = {
  bootloader: `${amd}.3.1`,
  tee: `${amd}.3.2`,
  snp: `${amd}.3.3`,
  microcode: `${amd}.3.8`,
  fmc: `${amd}.3.9`,
} as const;

const signatureComponentBytes = 48;
const ecdsaP384 = 1;

/** What the genuineness of a report rests on. */
export interface SnpTrust {
  /** ARK certificates, DER or PEM, that are trusted; one per CPU generation. Those in evidence are not trusted. */
  readonly roots: readonly (string | Uint8Array)[];
  /** Certificates that the evidence may lack (the host need not supply any). */
  readonly intermediates?: readonly HostCertificate[];
  /** The time that certificates must be valid at; undefined: not checked. */
  readonly now?: Date;
}

/**
 * Verifies that evidence is genuine: chain from a trusted ARK over ASK (or ASVK) to VCEK (or VLEK), the report's signature, and that
 * the certificate is for this chip and these component versions. Whether the report is acceptable is another question.
 *
 * @returns the report, which may be believed
 * @throws GuestError `permission-denied` that says which link is broken, `invalid-argument` for what can't be read
 */
export function verifySnpEvidence({ report, certificates }: SnpEvidence, trust: SnpTrust): SnpReport {
  const parsed = parseSnpReport(report);
  const available = [...certificates, ...(trust.intermediates ?? [])];
  const endorsement = findCertificate(available, ["VCEK", "VLEK"]);
  const signer = findCertificate(available, ["ASK"]);
  verifyChain(endorsement.certificate, signer.certificate, trust);
  verifySignature(report, parsed, endorsement.certificate);
  verifyChip(parsed, endorsement.certificate, endorsement.type);
  if (parsed.vmpl !== 0) throw refuse("the report was not asked for at VMPL 0");
  return parsed;
}

function verifyChain(endorsement: X509Certificate, signer: X509Certificate, { roots, now }: SnpTrust): void {
  if (!endorsement.verify(signer.publicKey)) throw refuse("VCEK or VLEK is not signed by the given ASK");
  const trusted = roots.map((root) => new X509Certificate(root));
  const root = trusted.find((candidate) => signer.verify(candidate.publicKey));
  if (root === undefined) throw refuse("ASK is not signed by a trusted ARK");
  if (!root.verify(root.publicKey)) throw refuse("the trusted ARK is not signed by itself");
  for (const certificate of [endorsement, signer, root]) {
    const valid = now === undefined || (certificate.validFromDate <= now && now <= certificate.validToDate);
    if (!valid) throw refuse("a certificate of the chain is not valid at this time");
  }
}

/** ECDSA P-384 over SHA-384; r and s are little-endian and zero-extended (spec/tee-abi.md 1.1). */
function verifySignature(bytes: Uint8Array, report: SnpReport, { publicKey }: X509Certificate): void {
  if (report.signatureAlgorithm !== ecdsaP384) throw refuse("the report has another signature algorithm");
  const signature = Buffer.concat([bigEndian(report.signature.r), bigEndian(report.signature.s)]);
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" as const };
  if (!verify("sha384", bytes.subarray(0, signedBytes), key, signature))
    throw refuse("the report's signature is wrong");
}

function bigEndian(component: Uint8Array): Buffer {
  if (component.subarray(signatureComponentBytes).some((byte) => byte !== 0)) throw refuse("the signature is too long");
  return Buffer.from(component.subarray(0, signatureComponentBytes)).reverse();
}

/** The reference compares the chip's id only when a certificate has a name that real ones don't have; here it always is. */
function verifyChip(report: SnpReport, certificate: X509Certificate, type: "VCEK" | "VLEK"): void {
  const extensions = parseCertificateExtensions(certificate.raw);
  for (const [component, oid] of Object.entries(componentOids)) {
    // Object.entries gives the keys of componentOids, which are those of a TCB version.
    const reported = report.reportedTcb[component as keyof typeof componentOids];
    if (reported === null) continue;
    const value = extensions.get(oid);
    if (value === undefined || parseSmallInteger(parseDer(value)) !== reported) {
      throw refuse(`the certificate is for another version of ${component}`);
    }
  }
  if (type === "VCEK" && !isChip(extensions.get(hardwareIdOid), report.chipId)) {
    throw refuse("the certificate is for another chip");
  }
}

/** Older certificates hold the id itself, newer ones an OCTET STRING; Turin's is 8 bytes. */
function isChip(extension: Uint8Array | undefined, chipId: Uint8Array): boolean {
  if (extension === undefined) return false;
  const raw = [8, 64].includes(extension.length) ? extension : parseDer(extension).content;
  const padded = Buffer.alloc(chipId.length);
  padded.set(raw.subarray(0, chipId.length));
  return raw.length > 0 && chipId.some((byte) => byte !== 0) && padded.equals(chipId);
}

function findCertificate<T extends CertificateType>(
  certificates: readonly HostCertificate[],
  types: readonly T[],
): { readonly certificate: X509Certificate; readonly type: T } {
  for (const { type, data } of certificates) {
    const wanted = types.find((name) => name === type);
    if (wanted === undefined) continue;
    try {
      return { certificate: new X509Certificate(data), type: wanted };
    } catch (cause) {
      throw new GuestError("invalid-argument", `certificate ${wanted} can't be read`, { cause });
    }
  }
  throw refuse(`there is no ${types.join(" or ")} certificate`);
}

function refuse(message: string): GuestError {
  return new GuestError("permission-denied", message);
}
