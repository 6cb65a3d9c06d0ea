import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { parseTdxQuote, type TdxQuote, type TdxQuoteBody } from "./quote.ts";

/** What the genuineness of a quote rests on. */
export interface TdxTrust {
  /** "Intel SGX Root CA" certificates that are trusted, DER or PEM. The one in the quote is not. */
  readonly roots: readonly (string | Uint8Array)[];
  /** The time that certificates must be valid at; undefined: not checked. */
  readonly now?: Date;
}

/** The signature data of a quote, cut into its fields (spec/tee-abi.md 4.4). */
interface SignatureData {
  readonly signature: Uint8Array;
  readonly attestationKey: Uint8Array;
  readonly qeReport: Buffer;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  readonly certificates: readonly X509Certificate[];
}

const ecdsaP256 = 2;
const qeReportCertification = 6;
const pckChainCertification = 5;
const qeReportBytes = 384;
/** Offsets in an enclave's report (spec/tee-abi.md 4.4). */
const qeFlagsOffset = 48;
const qeSignerOffset = 128;
const qeProductOffset = 256;
const qeReportDataOffset = 320;

/** The quoting enclave for TDX as Intel publishes its identity: MRSIGNER and ISVPRODID. Its versions come and go, these stay. */
const intelSigner = Buffer.from("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5", "hex");
const tdxQuotingEnclave = 2;
const debugFlag = 0x02;
const chainLength = 3;

/**
 * Verifies that a quote is genuine: PCK chain from a trusted root, the quoting enclave's report signed by the PCK, the
 * enclave Intel's, the attestation key named in its report, the quote signed by that key. Whether platform and enclave are up
 * to date (Intel's collateral) is not looked at, and whether the VM is acceptable is another question.
 *
 * @returns the body, which may be believed
 * @throws GuestError `permission-denied` that says which link is broken, `invalid-argument` for what can't be read
 */
export function verifyTdxQuote(bytes: Uint8Array, trust: TdxTrust): TdxQuoteBody {
  const quote = parseTdxQuote(bytes);
  if (quote.attestationKeyType !== ecdsaP256) throw refuse("the quote has another kind of attestation key");
  const data = parseSignatureData(quote.signatureData);
  const pck = verifyChain(data.certificates, trust);
  if (!verifyRaw(data.qeReport, pck.publicKey, data.qeReportSignature)) {
    throw refuse("the quoting enclave's report is not signed by the PCK");
  }
  verifyQuotingEnclave(data.qeReport);
  verifyAttestationKey(data);
  verifyBody(quote, data);
  return quote.body;
}

function verifyBody({ signed }: TdxQuote, { attestationKey, signature }: SignatureData): void {
  const [x, y] = [attestationKey.subarray(0, 32), attestationKey.subarray(32)].map((part) =>
    Buffer.from(part).toString("base64url"),
  );
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "" }, format: "jwk" });
  } catch (cause) {
    throw new GuestError("invalid-argument", "the attestation key is no point on P-256", { cause });
  }
  if (!verifyRaw(signed, key, signature)) throw refuse("the quote's signature is wrong");
}

/** A PCK signs for any enclave that the host lets be provisioned: one of the host's own would sign whatever it likes. */
function verifyQuotingEnclave(report: Buffer): void {
  const signer = report.subarray(qeSignerOffset, qeSignerOffset + intelSigner.length);
  if (!signer.equals(intelSigner) || report.readUInt16LE(qeProductOffset) !== tdxQuotingEnclave) {
    throw refuse("the quoting enclave is not Intel's for TDX");
  }
  if ((report.readUInt8(qeFlagsOffset) & debugFlag) !== 0) throw refuse("the quoting enclave can be debugged");
}

/** The enclave's report data is the digest of the key that it made, and 32 bytes of zeros. */
function verifyAttestationKey({ attestationKey, qeAuthData, qeReport }: SignatureData): void {
  const digest = createHash("sha256").update(attestationKey).update(qeAuthData).digest();
  const expected = Buffer.concat([digest, Buffer.alloc(32)]);
  if (expected.equals(qeReport.subarray(qeReportDataOffset, qeReportDataOffset + 64))) return;
  throw refuse("the quoting enclave did not make this attestation key");
}

/** @returns the PCK certificate */
function verifyChain(certificates: readonly X509Certificate[], { roots, now }: TdxTrust): X509Certificate {
  const [pck, intermediate] = certificates;
  if (pck === undefined || intermediate === undefined) throw refuse("the PCK chain is incomplete");
  if (!intermediate.ca || !pck.verify(intermediate.publicKey))
    throw refuse("the PCK is not signed by its intermediate");
  const trusted = roots.map((root) => new X509Certificate(root));
  const root = trusted.find((candidate) => candidate.ca && intermediate.verify(candidate.publicKey));
  if (root === undefined) throw refuse("the PCK chain does not end at a trusted root");
  for (const certificate of [pck, intermediate, root]) {
    const valid = now === undefined || (certificate.validFromDate <= now && now <= certificate.validToDate);
    if (!valid) throw refuse("a certificate of the chain is not valid at this time");
  }
  return pck;
}

function parseSignatureData(bytes: Uint8Array): SignatureData {
  const data = Buffer.from(bytes);
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > data.length) throw malformed("is cut off");
    offset += length;
    return data.subarray(offset - length, offset);
  };
  const signature = take(64);
  const attestationKey = take(64);
  if (take(2).readUInt16LE(0) !== qeReportCertification) throw malformed("has other certification data");
  take(4); // length of what follows; each field in it has its own
  const qeReport = take(qeReportBytes);
  const qeReportSignature = take(64);
  const qeAuthData = take(take(2).readUInt16LE(0));
  if (take(2).readUInt16LE(0) !== pckChainCertification) throw malformed("has no PCK chain");
  const chain = take(take(4).readUInt32LE(0)).toString("latin1");
  return { signature, attestationKey, qeReport, qeReportSignature, qeAuthData, certificates: parseChain(chain) };
}

function parseChain(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length !== chainLength) throw malformed(`has ${blocks.length} certificates instead of ${chainLength}`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new GuestError("invalid-argument", "TDX signature data has a certificate that can't be read", { cause });
  }
}

/** ECDSA with SHA-256; r and s are big-endian, 32 bytes each. */
function verifyRaw(message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  return verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

function refuse(message: string): GuestError {
  return new GuestError("permission-denied", message);
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `TDX signature data ${reason}`);
}
