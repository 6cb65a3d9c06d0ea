/** Base64, hex, URL query and JSON text. */
import { JsonError, parseJson } from "../json.ts";
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { any, builtin, chargeReading, chargeText, object, string, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

/** A function of one string that may find it malformed; then it answers undefined. */
function decoder(name: string, decode: (text: string) => string | undefined): Builtin {
  return builtin(name, [string], (context, text) => {
    chargeText(context, text.length);
    const decoded = decode(text);
    if (decoded === undefined) throw valueError(name, "malformed input");
    return decoded;
  });
}

function encoder(name: string, encode: (text: string) => string): Builtin {
  return builtin(name, [string], (context, text) => {
    chargeText(context, 3 * text.length);
    return encode(text);
  });
}

/** Bytes that are not UTF-8 become U+FFFD: a Rego string can't hold them. */
function decodeBase64(text: string): string | undefined {
  const joined = text.replace(/[\r\n]/g, "");
  return isBase64(joined) ? Buffer.from(joined, "base64").toString("utf8") : undefined;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function decodeBase64Url(text: string): string | undefined {
  const joined = text.replace(/[\r\n]/g, "").replace(/={1,2}$/, "");
  const isValid = /^[A-Za-z0-9_-]*$/.test(joined) && joined.length % 4 !== 1;
  return isValid ? Buffer.from(joined, "base64url").toString("utf8") : undefined;
}

function encodeBase64Url(text: string): string {
  const unpadded = Buffer.from(text).toString("base64url");
  return unpadded + "=".repeat((4 - (unpadded.length % 4)) % 4);
}

function decodeHex(text: string): string | undefined {
  return /^(?:[0-9A-Fa-f]{2})*$/.test(text) ? Buffer.from(text, "hex").toString("utf8") : undefined;
}

/** Go's url.QueryEscape: everything but letters, digits and `-_.~` escaped, a space as a plus sign. */
function escapeQuery(text: string): string {
  const escaped = encodeURIComponent(text.toWellFormed());
  return escaped.replace(/%20/g, "+").replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescapeQuery(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const bytes = Buffer.from(text.replaceAll("+", " ")).toString("latin1");
  return Buffer.from(
    bytes.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  ).toString("utf8");
}

function encodeQueryObject(context: BuiltinContext, source: RegoObject): string {
  const pairs: string[] = [];
  for (const [key, value] of source) {
    const values =
      typeof value === "string" ? [value] : isArray(value) || value instanceof RegoSet ? [...value] : undefined;
    if (typeof key !== "string" || values === undefined) throw invalidQueryObject();
    for (const item of values) {
      if (typeof item !== "string") throw invalidQueryObject();
      chargeText(context, 3 * (key.length + item.length));
      pairs.push(`${escapeQuery(key)}=${escapeQuery(item)}`);
    }
  }
  return pairs.join("&");
}

function invalidQueryObject() {
  return valueError("urlquery.encode_object", "operand 1 values must be string, array[string], or set[string]");
}

function decodeQueryObject(context: BuiltinContext, query: string): Value {
  chargeText(context, query.length);
  const lists = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    context.chargeOutput(1);
    const [name = "", ...rest] = pair.split("=");
    const key = unescapeQuery(name);
    const value = unescapeQuery(rest.join("="));
    if (key === undefined || value === undefined || pair.includes(";")) {
      throw valueError("urlquery.decode_object", "malformed query");
    }
    const list = lists.get(key) ?? [];
    list.push(value);
    lists.set(key, list);
  }
  return RegoObject.from(lists);
}

function unmarshal(context: BuiltinContext, text: string): Value {
  context.chargeOutput(text.length >>> 2);
  try {
    return parseJson(text);
  } catch (cause) {
    if (cause instanceof JsonError) throw valueError("json.unmarshal", cause.message, cause);
    throw cause;
  }
}

function isValidJson(context: BuiltinContext, text: Value): boolean {
  if (typeof text !== "string") return false;
  chargeReading(context, 16 * text.length);
  try {
    parseJson(text);
    return true;
  } catch (cause) {
    if (cause instanceof JsonError) return false;
    throw cause;
  }
}

export const encodingBuiltins: readonly Builtin[] = [
  encoder("base64.encode", (text) => Buffer.from(text).toString("base64")),
  decoder("base64.decode", decodeBase64),
  builtin("base64.is_valid", [string], (context, text) => {
    chargeReading(context, text.length);
    return decodeBase64(text) !== undefined;
  }),
  encoder("base64url.encode", encodeBase64Url),
  encoder("base64url.encode_no_pad", (text) => Buffer.from(text).toString("base64url")),
  decoder("base64url.decode", decodeBase64Url),
  encoder("hex.encode", (text) => Buffer.from(text).toString("hex")),
  decoder("hex.decode", decodeHex),
  encoder("urlquery.encode", escapeQuery),
  decoder("urlquery.decode", unescapeQuery),
  builtin("urlquery.encode_object", [object], encodeQueryObject),
  builtin("urlquery.decode_object", [string], decodeQueryObject),
  builtin("json.unmarshal", [string], unmarshal),
  builtin("json.is_valid", [any], isValidJson),
];
