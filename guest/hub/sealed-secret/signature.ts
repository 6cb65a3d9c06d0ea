import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { parseResourceUri, type ResourceProvider } from "../../kbs/index.ts";
import { decodeBase64Url, parseObject, type SealedText } from "./sealed-secret.ts";

const signatureBytes = 64;

/**
 * Verifies the signature of a sealed secret: ES256 by a key that the key broker holds for this VM (spec/sealed-secrets.md 1, 4).
 * The header comes from whoever stored the secret. It only chooses among the keys that the broker releases to this VM; a key in the
 * header itself is never used, and nothing is fetched for an algorithm that won't be accepted.
 *
 * @throws GuestError `invalid-argument` or `permission-denied`; KbsError when the key can't be fetched
 */
export async function verifySealedText(text: SealedText, keys: ResourceProvider, signal: AbortSignal): Promise<void> {
  const header = parseObject(decodeBase64Url(text.protectedHeader, "header"), "header");
  if (header["alg"] !== "ES256") throw refuse("invalid-argument", "JWS algorithm must be ES256");
  if ("crit" in header || header["b64"] === false) throw refuse("invalid-argument", "JWS header has extensions");
  const kid = header["kid"];
  if (typeof kid !== "string") throw refuse("invalid-argument", "Could not find kid");
  const signature = decodeBase64Url(text.signature, "signature");
  if (signature.length !== signatureBytes) throw refuse("permission-denied", "signature has the wrong length");
  const key = parseVerificationKey(await keys.getResource(parseResourceUri(kid), signal));
  const signed = Buffer.from(`${text.protectedHeader}.${text.payload}`);
  if (verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature)) return;
  throw refuse("permission-denied", "the signature of the sealed secret is wrong");
}

/** A public JWK on P-256; a private member in it is ignored. */
function parseVerificationKey(document: Uint8Array): KeyObject {
  const { kty, crv, x, y } = parseObject(document, "verification key");
  if (kty !== "EC" || crv !== "P-256" || typeof x !== "string" || typeof y !== "string") {
    throw refuse("failed-precondition", "Key must be P256");
  }
  try {
    return createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
  } catch (cause) {
    throw new GuestError("failed-precondition", "Could not parse verification key.", { cause });
  }
}

function refuse(code: "invalid-argument" | "permission-denied" | "failed-precondition", message: string): GuestError {
  return new GuestError(code, message);
}
