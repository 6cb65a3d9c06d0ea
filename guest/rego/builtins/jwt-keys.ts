/** Keys for tokens: PEM certificates and public keys, JSON Web Keys and sets of them. */
import { createPrivateKey, createPublicKey, type webcrypto, X509Certificate } from "node:crypto";
import { JsonError, parseJson, toJson } from "../json.ts";
import { isArray, RegoObject, type Value } from "../value.ts";
import type { JwtKey } from "./jwt-algorithms.ts";
import { maxParsedTextLength } from "./limits.ts";
import { valueError } from "./operands.ts";

/** A key with what its JWK says of its use. */
export interface VerificationKey {
  readonly key: JwtKey;
  readonly algorithm: string | undefined;
  readonly id: string | undefined;
}

/** Reads the keys of a certificate (PEM), a public key (PEM), a JWK or a JWK set. Throws BuiltinError if there are none. */
export function readVerificationKeys(name: string, text: string): readonly VerificationKey[] {
  if (text.length > maxParsedTextLength) throw valueError(name, "key is too large");
  try {
    if (text.includes("-----BEGIN")) return [{ key: readPem(text), algorithm: undefined, id: undefined }];
    return readJwks(parseJson(text));
  } catch (cause) {
    if (isKeyFailure(cause)) throw valueError(name, "failed to parse a PEM certificate, a public key or a JWK", cause);
    throw cause;
  }
}

/** Reads a private or symmetric JWK to sign with. Throws BuiltinError. */
export function readSigningKey(name: string, jwk: Value): JwtKey {
  const key = jwk instanceof RegoObject ? tryReadJwk(jwk, true) : undefined;
  if (key === undefined) throw valueError(name, "failed to parse a private JWK");
  return key;
}

function readPem(text: string): JwtKey {
  return text.includes("-----BEGIN CERTIFICATE-----") ? new X509Certificate(text).publicKey : createPublicKey(text);
}

function readJwks(document: Value): readonly VerificationKey[] {
  if (!(document instanceof RegoObject)) throw new TypeError("JWK is not an object");
  const keys = document.get("keys");
  const jwks = keys !== undefined && isArray(keys) ? keys : [document];
  const read: VerificationKey[] = [];
  for (const jwk of jwks) {
    // Keys of other kinds may stand beside the ones that are wanted.
    const key = jwk instanceof RegoObject ? tryReadJwk(jwk, false) : undefined;
    if (key === undefined || !(jwk instanceof RegoObject)) continue;
    read.push({ key, algorithm: textMember(jwk, "alg"), id: textMember(jwk, "kid") });
  }
  if (read.length === 0) throw new TypeError("no usable JWK");
  return read;
}

function textMember(object: RegoObject, name: string): string | undefined {
  const value = object.get(name);
  return typeof value === "string" ? value : undefined;
}

function tryReadJwk(jwk: RegoObject, isPrivate: boolean): JwtKey | undefined {
  if (jwk.get("kty") === "oct") {
    const bytes = textMember(jwk, "k");
    return bytes === undefined ? undefined : Buffer.from(bytes, "base64url");
  }
  try {
    // node:crypto checks the members of the object itself.
    const input = { key: toJson(jwk) as webcrypto.JsonWebKey, format: "jwk" } as const;
    return isPrivate ? createPrivateKey(input) : createPublicKey(input);
  } catch (cause) {
    if (isKeyFailure(cause)) return undefined;
    throw cause;
  }
}

/** Errors by which node:crypto and the JSON parser say that a text is no key. */
function isKeyFailure(cause: unknown): boolean {
  if (cause instanceof JsonError || cause instanceof TypeError) return true;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" && cause.code.startsWith("ERR_");
}
