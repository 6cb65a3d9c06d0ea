import { GuestError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { parseResourceUri, type ResourceProvider, type ResourceUri } from "../../kbs/index.ts";
import { parseBase64, unwrapData, type WrapType, wrapTypes } from "../sealed-secret/envelope-cipher.ts";

/** The key of an image layer, wrapped by a key that the key broker holds (spec/kbs-protocol.md 8, annotation packet). */
export interface WrappedLayerKey {
  readonly keyUri: ResourceUri;
  readonly wrapped: Uint8Array;
  readonly iv: Uint8Array;
  readonly wrapType: WrapType;
}

/**
 * Reads a request of the key provider protocol (spec/image-pull.md 13). Only the configured broker is asked for the key,
 * whatever host its URI names (threat model row 109).
 *
 * @throws GuestError `invalid-argument`
 */
export function parseUnwrapRequest(input: Uint8Array): WrappedLayerKey {
  const request = objectOf(input);
  const parameters = request["keyunwrapparams"];
  if (!isJsonObject(request["keywrapparams"]) || !isJsonObject(parameters)) throw malformed("keywrapparams");
  return parseWrappedLayerKey(parseBase64(textOf(parameters, "annotation"), "annotation"));
}

/**
 * Reads the packet that a layer's annotation carries (spec/image-pull.md 12.3).
 *
 * @throws GuestError `invalid-argument`
 */
export function parseWrappedLayerKey(bytes: Uint8Array): WrappedLayerKey {
  const packet = objectOf(bytes);
  const wrapType = wrapTypes.find((known) => known === packet["wrap_type"]);
  if (wrapType === undefined) throw malformed("wrap_type");
  return {
    keyUri: parseResourceUri(textOf(packet, "kid")),
    wrapped: parseBase64(textOf(packet, "wrapped_data"), "wrapped_data"),
    iv: parseBase64(textOf(packet, "iv"), "iv"),
    wrapType,
  };
}

/** Unwraps a layer's key. @returns the options JSON that ocicrypt calls private @throws GuestError */
export async function unwrapLayerKey(
  { keyUri, wrapped, iv, wrapType }: WrappedLayerKey,
  resources: ResourceProvider,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const key = await resources.getResource(keyUri, signal);
  try {
    return unwrapData(wrapType, key, iv, wrapped);
  } finally {
    key.fill(0);
  }
}

/** The reply's JSON; bytes as an array of numbers, the one form that all clients read. */
export function encodeUnwrapReply(options: Uint8Array): Uint8Array {
  return Buffer.from(JSON.stringify({ keyunwrapresults: { optsdata: [...options] } }));
}

function objectOf(bytes: Uint8Array): JsonObject {
  try {
    const value = parseJson(bytes);
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new GuestError("invalid-argument", "key provider request is not acceptable JSON", { cause });
  }
  throw malformed("object");
}

function textOf(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value === "string") return value;
  throw malformed(name);
}

function malformed(member: string): GuestError {
  return new GuestError("invalid-argument", `key provider request: ${member} is missing or unusable`);
}
