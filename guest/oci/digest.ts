import { createHash } from "node:crypto";
import { ImageError, type ImageErrorKind } from "./errors.ts";

const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** `algorithm:hex`, known to be well-formed: sha256, sha384 or sha512 with lower-case hex of the right length. */
export type Digest = `${"sha256" | "sha384" | "sha512"}:${string}`;

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

/** The part before the colon, a name that `node:crypto` knows. */
export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":"));
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
export function digestOf(bytes: Uint8Array, algorithm: "sha256" | "sha384" | "sha512" = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
