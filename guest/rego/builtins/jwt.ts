/** io.jwt.*: JSON Web Tokens (RFC 7519) in compact serialization. */

import { JsonError, parseJson, toJsonText } from "../json.ts";
import { compareNumbers, multiply, type RegoNumber, integer as toNumber } from "../number.ts";
import { isArray, isNumber, RegoObject, type Value } from "../value.ts";
import { jwtAlgorithms } from "./jwt-algorithms.ts";
import { readSigningKey, readVerificationKeys, type VerificationKey } from "./jwt-keys.ts";
import { maxParsedTextLength } from "./limits.ts";
import { builtin, chargeText, object, string, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

interface Token {
  readonly header: RegoObject;
  readonly payload: string;
  readonly signature: Buffer;
  /** What the signature is made over. */
  readonly signed: Buffer;
}

/** Steps that one asymmetric operation costs, about its time in steps of the evaluator. */
const signatureCost = 1000;
const maxNestedTokens = 8;

function parseToken(name: string, context: BuiltinContext, text: string): Token {
  if (text.length > maxParsedTextLength) throw valueError(name, "token is too long");
  chargeText(context, text.length);
  const parts = text.split(".");
  const [header, payload, signature] = parts;
  if (header === undefined || payload === undefined || signature === undefined || parts.length !== 3) {
    const reason =
      parts.length === 5 ? "JWT is a JWE object, which is not supported" : "encoded JWT must have 3 sections";
    throw valueError(name, reason);
  }
  const headerValue = parseJsonPart(name, "header", decodePart(name, "header", header).toString("utf8"));
  if (!(headerValue instanceof RegoObject)) throw valueError(name, "JWT header is not an object");
  if (headerValue.has("enc")) throw valueError(name, "JWT is a JWE object, which is not supported");
  return {
    header: headerValue,
    payload: decodePart(name, "payload", payload).toString("utf8"),
    signature: decodePart(name, "signature", signature),
    signed: Buffer.from(`${header}.${payload}`),
  };
}

function decodePart(name: string, part: string, text: string): Buffer {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) throw valueError(name, `JWT ${part} had invalid encoding`);
  return Buffer.from(text, "base64url");
}

function parseJsonPart(name: string, part: string, text: string): Value {
  try {
    return parseJson(text);
  } catch (cause) {
    if (cause instanceof JsonError) throw valueError(name, `JWT ${part} is not JSON`, cause);
    throw cause;
  }
}

/** Whether the payload is itself a token (RFC 7519 section 5.2). */
function isNested(token: Token): boolean {
  const contentType = token.header.get("cty");
  return typeof contentType === "string" && contentType.toUpperCase() === "JWT";
}

/** The token inside a token: its text, or its text as JSON. */
function nestedText(name: string, token: Token): string {
  const inner = token.payload.startsWith('"') ? parseJsonPart(name, "payload", token.payload) : token.payload;
  return typeof inner === "string" ? inner : token.payload;
}

function decode(context: BuiltinContext, text: string): Value {
  const name = "io.jwt.decode";
  let token = parseToken(name, context, text);
  for (let depth = 0; isNested(token); depth++) {
    if (depth === maxNestedTokens) throw valueError(name, "tokens nest too deeply");
    token = parseToken(name, context, nestedText(name, token));
  }
  return [token.header, parseJsonPart(name, "payload", token.payload), token.signature.toString("hex")];
}

function hasValidSignature(
  context: BuiltinContext,
  algorithm: string,
  token: Token,
  keys: readonly VerificationKey[],
): boolean {
  const implementation = jwtAlgorithms.get(algorithm);
  if (implementation === undefined) return false;
  const id = token.header.get("kid");
  const named = keys.filter((key) => key.id !== undefined && key.id === id);
  return (named.length > 0 ? named : keys).some((candidate) => {
    if (candidate.algorithm !== undefined && candidate.algorithm !== algorithm) return false;
    context.charge(signatureCost);
    return implementation.verify(candidate.key, token.signed, token.signature);
  });
}

/** io.jwt.verify_*: the algorithm is the built-in's, whatever the token's header says. */
function verifier(algorithm: string): Builtin {
  const name = `io.jwt.verify_${algorithm.toLowerCase()}`;
  return builtin(name, [string, string], (context, text, keyText) => {
    const token = parseToken(name, context, text);
    const keys = algorithm.startsWith("HS") ? [secretKey(keyText)] : readVerificationKeys(name, keyText);
    return hasValidSignature(context, algorithm, token, keys);
  });
}

function secretKey(secret: string): VerificationKey {
  return { key: Buffer.from(secret), algorithm: undefined, id: undefined };
}

interface Constraints {
  readonly keys: readonly VerificationKey[];
  readonly algorithm: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** In nanoseconds since 1970; undefined when the policy names none and there is no clock. */
  readonly time: RegoNumber | undefined;
}

const constraintNames = ["alg", "aud", "cert", "iss", "secret", "time"];
const decodeVerifyName = "io.jwt.decode_verify";

function readConstraints(context: BuiltinContext, constraints: RegoObject): Constraints {
  for (const key of constraints.keys()) {
    if (typeof key !== "string" || !constraintNames.includes(key)) {
      throw valueError(decodeVerifyName, `unknown token validation constraint: ${toJsonText(key)}`);
    }
  }
  const certificate = textConstraint(constraints, "cert");
  const secret = textConstraint(constraints, "secret");
  if (certificate !== undefined && secret !== undefined)
    throw valueError(decodeVerifyName, "duplicate key constraints");
  const keys =
    certificate !== undefined
      ? readVerificationKeys(decodeVerifyName, certificate)
      : secret !== undefined
        ? [secretKey(secret)]
        : undefined;
  if (keys === undefined) throw valueError(decodeVerifyName, "no key constraint");
  const time = constraints.get("time") ?? (context.nowNs === undefined ? undefined : toNumber(context.nowNs));
  if (time !== undefined && !isNumber(time)) {
    throw valueError(decodeVerifyName, "token time constraint: must be a number");
  }
  return {
    keys,
    algorithm: textConstraint(constraints, "alg"),
    issuer: textConstraint(constraints, "iss"),
    audience: textConstraint(constraints, "aud"),
    time,
  };
}

function textConstraint(constraints: RegoObject, name: string): string | undefined {
  const value = constraints.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw valueError(decodeVerifyName, `token constraint ${name} must be a string`);
}

/** [true, header, payload], or [false, {}, {}] if the token does not hold. */
function decodeVerify(context: BuiltinContext, text: string, constraintObject: RegoObject): Value {
  const constraints = readConstraints(context, constraintObject);
  const refused: Value = [false, new RegoObject(), new RegoObject()];
  let token = parseToken(decodeVerifyName, context, text);
  for (let depth = 0; ; depth++) {
    if (depth === maxNestedTokens || !isTrusted(context, token, constraints)) return refused;
    if (!isNested(token)) break;
    token = parseToken(decodeVerifyName, context, nestedText(decodeVerifyName, token));
  }
  const payload = parseJsonPart(decodeVerifyName, "payload", token.payload);
  if (!(payload instanceof RegoObject) || !claimsHold(payload, constraints)) return refused;
  return [true, token.header, payload];
}

function isTrusted(context: BuiltinContext, token: Token, constraints: Constraints): boolean {
  const algorithm = token.header.get("alg");
  // Critical extensions must be understood (RFC 7515 section 4.1.11), and none is.
  if (typeof algorithm !== "string" || token.header.has("crit")) return false;
  if (constraints.algorithm !== undefined && constraints.algorithm !== algorithm) return false;
  return hasValidSignature(context, algorithm, token, constraints.keys);
}

function claimsHold(payload: RegoObject, constraints: Constraints): boolean {
  if (constraints.issuer !== undefined && payload.get("iss") !== constraints.issuer) return false;
  if (!audienceHolds(payload.get("aud"), constraints.audience)) return false;
  const expiry = timeClaim(payload, "exp");
  const notBefore = timeClaim(payload, "nbf");
  // A limit in time that can't be checked does not hold.
  if (constraints.time === undefined) return expiry === undefined && notBefore === undefined;
  if (expiry !== undefined && compareNumbers(constraints.time, expiry) >= 0) return false;
  return notBefore === undefined || compareNumbers(constraints.time, notBefore) >= 0;
}

/** A token for someone is for nobody else: without a constraint it is refused. */
function audienceHolds(claim: Value | undefined, audience: string | undefined): boolean {
  if (claim === undefined) return audience === undefined;
  if (audience === undefined) return false;
  return claim === audience || (isArray(claim) && claim.includes(audience));
}

/** A claim in seconds, as nanoseconds. */
function timeClaim(payload: RegoObject, name: string): RegoNumber | undefined {
  const claim = payload.get(name);
  if (claim === undefined) return undefined;
  if (!isNumber(claim)) throw valueError(decodeVerifyName, `${name} value must be a number`);
  return multiply(claim, 1_000_000_000);
}

function encodeSign(name: string, context: BuiltinContext, headerText: string, payload: string, jwk: Value): string {
  chargeText(context, 2 * (headerText.length + payload.length));
  context.charge(signatureCost);
  const header = parseJsonPart(name, "header", headerText);
  const algorithmName = header instanceof RegoObject ? header.get("alg") : undefined;
  if (!(header instanceof RegoObject) || typeof algorithmName !== "string") {
    throw valueError(name, "JWT header must have an algorithm");
  }
  const type = header.get("typ");
  if (type === undefined || type === "JWT") parseJsonPart(name, "payload", payload);
  const signed = `${encode(headerText)}.${encode(payload)}`;
  const algorithm = jwtAlgorithms.get(algorithmName);
  if (algorithm === undefined) throw valueError(name, `unknown JWS algorithm ${algorithmName.slice(0, 64)}`);
  const signature = algorithm.sign(readSigningKey(name, jwk), Buffer.from(signed));
  if (signature === undefined) throw valueError(name, `key is not for ${algorithmName}`);
  return `${signed}.${signature.toString("base64url")}`;
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}

export const jwtBuiltins: readonly Builtin[] = [
  builtin("io.jwt.decode", [string], decode),
  builtin(decodeVerifyName, [string, object], decodeVerify),
  ...[...jwtAlgorithms.keys()].map(verifier),
  builtin("io.jwt.encode_sign", [object, object, object], (context, header, payload, jwk) =>
    encodeSign("io.jwt.encode_sign", context, toJsonText(header), toJsonText(payload), jwk),
  ),
  builtin("io.jwt.encode_sign_raw", [string, string, string], (context, header, payload, jwk) => {
    const name = "io.jwt.encode_sign_raw";
    return encodeSign(name, context, header, payload, parseJsonPart(name, "key", jwk));
  }),
];
