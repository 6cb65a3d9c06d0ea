import { GuestError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { decodeUtf8 } from "../../core/utf8.ts";
import { type WrapType, wrapTypes } from "./envelope-cipher.ts";

/** The parts of `sealed.<protected>.<payload>.<signature>` as they came; together they are a JWS (spec/sealed-secrets.md 1). */
export interface SealedText {
  readonly protectedHeader: string;
  readonly payload: string;
  readonly signature: string;
}

/** What is sealed: a pointer to a secret, or the secret itself, encrypted. */
export type SealedSecret =
  | { readonly type: "vault"; readonly provider: string; readonly name: string }
  | {
      readonly type: "envelope";
      readonly provider: string;
      readonly keyId: string;
      readonly encryptedKey: string;
      readonly encryptedData: string;
      readonly wrapType: WrapType;
      readonly iv: string;
    };

const maxSealedLength = 4 * 1024 * 1024;
const form = /^sealed\.([^.]*)\.([^.]*)\.([^.]*)$/;

/**
 * Splits a sealed secret. White space at the end is forgiven: files that editors have touched end with a newline.
 *
 * @throws GuestError `invalid-argument`
 */
export function parseSealedText(secret: Uint8Array): SealedText {
  if (secret.length > maxSealedLength) throw malformed("sealed secret is too long");
  const parts = form.exec(decodeUtf8(secret, "sealed secret").trimEnd());
  if (parts === null) throw malformed("sealed secret must be sealed.<header>.<payload>.<signature>");
  const [, protectedHeader = "", payload = "", signature = ""] = parts;
  return { protectedHeader, payload, signature };
}

/**
 * Reads the payload (spec/sealed-secrets.md 2).
 *
 * @param payload base64url without padding
 * @throws GuestError `invalid-argument` that names the member; values aren't quoted
 */
export function parseSealedSecret(payload: string): SealedSecret {
  const members = parseObject(decodeBase64Url(payload, "payload"), "payload");
  const text = (name: string): string => {
    const value = members[name];
    if (typeof value !== "string") throw malformed(`sealed secret: ${name} must be text`);
    return value;
  };
  for (const name of ["provider_settings", "annotations"]) {
    if (!isJsonObject(members[name])) throw malformed(`sealed secret: ${name} must be an object`);
  }
  if (text("version") !== "0.1.0") throw malformed("version not supported, only 0.1.0 supported");
  const provider = text("provider").toLowerCase();
  const type = text("type");
  if (type === "vault") return { type, provider, name: text("name") };
  if (type !== "envelope") throw malformed("sealed secret: type must be vault or envelope");
  const wrapType = wrapTypes.find((known) => known === text("wrap_type"));
  if (wrapType === undefined) throw malformed(`sealed secret: wrap_type must be one of ${wrapTypes.join(", ")}`);
  return {
    type,
    provider,
    keyId: text("key_id"),
    encryptedKey: text("encrypted_key"),
    encryptedData: text("encrypted_data"),
    wrapType,
    iv: text("iv"),
  };
}

/** JSON bytes of an object, strictly. @throws GuestError `invalid-argument` */
export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  try {
    const value = parseJson(bytes);
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new GuestError("invalid-argument", `sealed secret: ${what} is not acceptable JSON`, { cause });
  }
  throw malformed(`sealed secret: ${what} is no JSON object`);
}

/** base64url without padding, strictly. @throws GuestError `invalid-argument` */
export function decodeBase64Url(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw malformed(`sealed secret: ${what} is not base64url without padding`);
  return bytes;
}

function malformed(message: string): GuestError {
  return new GuestError("invalid-argument", message);
}
