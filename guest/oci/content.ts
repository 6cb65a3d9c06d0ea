import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, digestHex } from "./digest.ts";
import { ImageError } from "./errors.ts";

/** What a stream of bytes must turn out to be. */
export interface ExpectedContent {
  /** For errors: `layer`, `image config`. */
  readonly what: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Passes a stream on and proves it: too many bytes fail at once, a wrong size or digest fails in place of the end. Whoever
 * reads to the end has had the right bytes; whoever acts earlier must be able to take it back.
 *
 * @throws ImageError `integrity`
 */
export async function* verifyContent(
  source: AsyncIterable<Buffer>,
  { what, digest, size }: ExpectedContent,
): AsyncGenerator<Buffer> {
  const hash = createHash(digestAlgorithm(digest));
  let received = 0;
  for await (const chunk of source) {
    received += chunk.length;
    if (received > size) throw new ImageError("integrity", `${what} ${digest} is longer than its ${size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (received < size) {
    throw new ImageError("integrity", `${what} ${digest} has ${received} bytes instead of ${size}`);
  }
  const computed = hash.digest("hex");
  if (computed !== digestHex(digest)) {
    throw new ImageError("integrity", `${what} has digest ${digestAlgorithm(digest)}:${computed} instead of ${digest}`);
  }
}

/** Collects a stream whose length is bounded already, such as a verified one. */
export async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
