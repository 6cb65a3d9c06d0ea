import { createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { digestAlgorithm, digestHex } from "../digest.ts";
import type { LayerDecryptor } from "../layer-fetcher.ts";
import {
  decryptionError,
  type PrivateLayerOptions,
  type PublicLayerOptions,
  parsePrivateOptions,
  parsePublicOptions,
} from "./layer-options.ts";

/**
 * Unwraps a layer's key: takes the annotation packet (JSON, spec/image-pull.md 12.3), which the host may have written, and
 * gives the private options (JSON). It must ask none but the configured key broker (threat model row 109).
 */
export type UnwrapLayerKey = (packet: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/**
 * Decrypts layers that ocicrypt encrypted: AES-256-CTR, with an HMAC-SHA256 by the same key over the ciphertext. The plain
 * bytes come before they are known to be authentic; the stream fails in place of its end when they are not.
 */
export function createLayerDecryptor(unwrap: UnwrapLayerKey): LayerDecryptor {
  return async (layer, signal) => {
    const open = parsePublicOptions(layer);
    const options = await unwrapFirst(open.packets, unwrap, signal);
    try {
      const secret = parsePrivateOptions(options);
      return (source) => decrypt(source, open, secret);
    } finally {
      options.fill(0);
    }
  };
}

async function unwrapFirst(
  packets: readonly Buffer[],
  unwrap: UnwrapLayerKey,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const failures: unknown[] = [];
  for (const packet of packets) {
    try {
      return await unwrap(packet, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof GuestError)) throw error;
      failures.push(error);
    }
  }
  // One text for all reasons: it must not tell whoever sent the image which keys there are.
  const advice = "Failed to decrypt the image layer, please ensure that the decryption key is placed and correct";
  throw decryptionError(advice, failures[0]);
}

async function* decrypt(
  source: AsyncIterable<Buffer>,
  open: PublicLayerOptions,
  { key, nonce: privateNonce, digest }: PrivateLayerOptions,
): AsyncGenerator<Buffer> {
  const nonce = open.nonce ?? privateNonce;
  if (nonce === undefined) throw decryptionError("the layer has no nonce");
  const decipher = createDecipheriv("aes-256-ctr", key, nonce);
  const hmac = createHmac("sha256", key);
  const hash = digest === undefined ? undefined : createHash(digestAlgorithm(digest));
  key.fill(0);
  for await (const chunk of source) {
    hmac.update(chunk);
    const plain = decipher.update(chunk);
    hash?.update(plain);
    yield plain;
  }
  if (!timingSafeEqual(hmac.digest(), open.hmac)) throw decryptionError("the layer's HMAC is wrong");
  if (digest !== undefined && hash?.digest("hex") !== digestHex(digest)) {
    throw decryptionError("the decrypted layer has another digest than was encrypted");
  }
}
