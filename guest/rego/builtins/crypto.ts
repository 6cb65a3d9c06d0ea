/** crypto.md5, crypto.sha*, crypto.hmac.*: digests as lower-case hex. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { builtin, chargeReading, string } from "./operands.ts";
import type { Builtin } from "./types.ts";

function digest(algorithm: string): Builtin {
  return builtin(`crypto.${algorithm}`, [string], (context, text) => {
    chargeReading(context, text.length);
    return createHash(algorithm).update(text).digest("hex");
  });
}

function hmac(algorithm: string): Builtin {
  return builtin(`crypto.hmac.${algorithm}`, [string, string], (context, text, key) => {
    chargeReading(context, text.length + key.length);
    return createHmac(algorithm, key).update(text).digest("hex");
  });
}

export const cryptoBuiltins: readonly Builtin[] = [
  ...["md5", "sha1", "sha256"].map(digest),
  ...["md5", "sha1", "sha256", "sha512"].map(hmac),
  builtin("crypto.hmac.equal", [string, string], (context, first, second) => {
    chargeReading(context, first.length + second.length);
    const [a, b] = [Buffer.from(first), Buffer.from(second)];
    return a.length === b.length && timingSafeEqual(a, b);
  }),
];
