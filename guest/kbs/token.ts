import { isJsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { KbsError } from "./errors.ts";

/** The times in a token, in seconds since the epoch. */
export interface TokenTimes {
  readonly expiresAt: number;
  readonly issuedAt: number | undefined;
}

/**
 * Reads the times of an attestation token. The signature isn't verified: the token is for the broker, which verifies it; here
 * the times only decide when to ask for a new one.
 *
 * @param token JWS compact serialisation (RFC 7515 7.1)
 * @throws KbsError `malformed`; the token isn't quoted
 */
export function parseTokenTimes(token: string): TokenTimes {
  const match = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/.exec(token);
  if (match?.[1] === undefined) throw malformed("is no JWT");
  let claims: JsonValue;
  try {
    claims = parseJson(Buffer.from(match[1], "base64url"));
  } catch (cause) {
    throw malformed("has a payload that isn't acceptable JSON", cause);
  }
  const { exp, iat } = isJsonObject(claims) ? claims : {};
  if (!isTime(exp)) throw malformed("has no expiry time");
  return { expiresAt: exp, issuedAt: isTime(iat) ? iat : undefined };
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}

function malformed(reason: string, cause?: unknown): KbsError {
  return new KbsError("malformed", `the attestation token ${reason}`, { cause });
}
