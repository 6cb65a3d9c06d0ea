import { createHash, timingSafeEqual } from "node:crypto";
import { decodeWrappedBase64 } from "./base64.ts";
import { InitdataError } from "./initdata-error.ts";

/** The hash functions that a document may name, by the only spelling that every reader takes. */
export const digestAlgorithms = ["sha256", "sha384", "sha512"] as const;

/** One of {@link digestAlgorithms}. */
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/** Whether the text names an algorithm that is allowed (threat model row 89). */
export function isDigestAlgorithm(text: unknown): text is DigestAlgorithm {
  return digestAlgorithms.some((algorithm) => algorithm === text);
}

/** The digest of a document: over its exact bytes, comments, line ends and all (spec/initdata.md 3). */
export function digestOf(algorithm: DigestAlgorithm, document: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(document).digest());
}

/** Where a platform reports launch data of its host's choosing, and how many bytes it has there (spec/initdata.md 6.1). */
export const launchDataBytes = {
  /** AMD SEV-SNP: HOST_DATA. */
  snp: 32,
  /** Intel TDX: MRCONFIGID. */
  tdx: 48,
  /** Arm CCA: the realm's personalization value. */
  cca: 64,
  /** IBM Secure Execution. */
  se: 256,
} as const;

/** A platform that reports launch data. */
export type LaunchDataPlatform = keyof typeof launchDataBytes;

/** The digest as a platform reports it: the first bytes where it is too long, zero bytes behind where it is too short. */
export function launchDataOf(digest: Uint8Array, platform: LaunchDataPlatform): Uint8Array {
  const adjusted = new Uint8Array(launchDataBytes[platform]);
  adjusted.set(digest.subarray(0, adjusted.length));
  return adjusted;
}

/**
 * What PCR 8 (SHA-256 bank) holds after a machine that booted with zeros there has extended it once with the digest
 * (spec/initdata.md 6.2). Digests that are longer than the bank's are cut to their first 32 bytes, as the reference image does.
 */
export function pcr8Of(digest: Uint8Array): Uint8Array {
  const extended = createHash("sha256").update(new Uint8Array(32)).update(launchDataOf(digest, "snp"));
  return new Uint8Array(extended.digest());
}

/**
 * Reads a digest in hex (either case) or standard base64.
 *
 * @throws InitdataError naming `expected digest`
 */
export function parseDigest(text: string): Uint8Array {
  const trimmed = text.trim();
  const isHex = /^(?:[0-9a-fA-F]{2}){32,256}$/.test(trimmed);
  const bytes = isHex ? new Uint8Array(Buffer.from(trimmed, "hex")) : decodeWrappedBase64(trimmed);
  if (bytes === undefined || bytes.length < 32 || bytes.length > 256)
    throw new InitdataError("expected digest", "neither hex nor base64 of 32 to 256 bytes");
  return bytes;
}

/**
 * Compares a document's digest with the one that is expected, in constant time (threat model row 81).
 *
 * @param expected the whole digest, or with a platform what the platform reports
 * @throws InitdataError naming `digest` when they differ
 */
export function requireDigest(digest: Uint8Array, expected: Uint8Array, platform?: LaunchDataPlatform): void {
  const actual = platform === undefined ? digest : launchDataOf(digest, platform);
  if (actual.length === expected.length && timingSafeEqual(actual, expected)) return;
  const found = Buffer.from(digest).toString("hex");
  const wanted = Buffer.from(expected).toString("hex");
  const problem = `the document has ${found}, expected is ${wanted}; one byte of difference in the document suffices`;
  throw new InitdataError("digest", problem);
}
