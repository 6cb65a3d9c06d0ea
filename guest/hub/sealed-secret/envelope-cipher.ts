import { createDecipheriv } from "node:crypto";
import { decodeBase64 } from "../../core/base64.ts";
import { GuestError } from "../../core/errors.ts";

/** How data is wrapped in sealed secrets and image keys (spec/sealed-secrets.md 2.2, spec/image-pull.md 13). */
export const wrapTypes = ["A256GCM", "A256CTR"] as const;

/** `A256GCM` proves that nothing was changed; `A256CTR` does not. */
export type WrapType = (typeof wrapTypes)[number];

const keyBytes = 32;
const gcmIvBytes = 12;
const gcmTagBytes = 16;
const ctrIvBytes = 16;

/**
 * Decrypts wrapped data. All failures look alike (threat model row 104).
 *
 * @param wrapped with GCM the tag (16 bytes) stands behind the ciphertext
 * @throws GuestError `internal`
 */
export function unwrapData(type: WrapType, key: Uint8Array, iv: Uint8Array, wrapped: Uint8Array): Uint8Array {
  try {
    if (key.length !== keyBytes || iv.length !== (type === "A256GCM" ? gcmIvBytes : ctrIvBytes)) throw new RangeError();
    if (type === "A256CTR") {
      const decipher = createDecipheriv("aes-256-ctr", key, iv);
      return Buffer.concat([decipher.update(wrapped), decipher.final()]);
    }
    const split = wrapped.length - gcmTagBytes;
    const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: gcmTagBytes });
    decipher.setAuthTag(wrapped.subarray(split));
    return Buffer.concat([decipher.update(wrapped.subarray(0, split)), decipher.final()]);
  } catch {
    throw new GuestError("internal", "wrapped data can't be decrypted with this key");
  }
}

/**
 * Standard base64 with padding, as the members of envelopes are.
 *
 * @param what names the member in the error
 * @throws GuestError `invalid-argument`
 */
export function parseBase64(text: string, what: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw new GuestError("invalid-argument", `${what} is not base64`);
  return bytes;
}
