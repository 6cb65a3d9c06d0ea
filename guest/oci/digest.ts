import { createHash } from "node:crypto";
import { ImageError, type ImageErrorKind } from "./errors.ts";

/** Hash functions that are strong enough, by the names that `node:crypto` knows. */
export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** `algorithm:hex`, known to be well-formed: lower-case hex of the right length. */
export type Digest = `${DigestAlgorithm}:${string}`;

/**
 * Reads a digest (OCI image spec, descriptor.md "Digests").
 *
 * @param what names the place in the error
 * @throws ImageError with `kind`
 */
export function parseDigest(text: string, what: string, kind: ImageErrorKind = "invalid-image"): Digest {
  if (isDigest(text)) return text;
  throw new ImageError(kind, `${what} is no valid digest: ${JSON.stringify(text.slice(0, 160))}`);
}

/** Whether a text is a digest that we can verify. */
export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(":");
  const hex = text.slice(colon + 1);
  const name = text.slice(0, Math.max(colon, 0));
  return Object.hasOwn(hexLengths, name) && hex.length === hexLengths[name] && /^[0-9a-f]+$/.test(hex);
}

/** The part before the colon. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  // The type says so: what stands before the colon is one of the three.
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/** The part after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** A digest as one file name: `sha256-<hex>`. */
export function digestFileName(digest: Digest): string {
  return digest.replace(":", "-");
}

/** The digest of bytes in hand. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
