import { GuestError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import type { ServerTls } from "../rpc/tls.ts";

/** What cloud-api-adaptor tells the pod VM in apf.json (spec/forwarder.md 3). It comes from the host. */
export interface ApfFile {
  /** The pod's network, for guest/network to check; null when there is none. */
  readonly podNetwork: JsonValue;
  /** Undefined when it has no certificate. */
  readonly tls: ServerTls | undefined;
}

/**
 * Parses apf.json. Its writer is Go: keys match in any case where there is no exact match, `null` is an absent value, unknown
 * keys are skipped.
 *
 * @throws GuestError `invalid-argument` that names the key
 */
export function parseApfFile(text: string | Uint8Array): ApfFile {
  const document = parseJson(text);
  if (!isJsonObject(document)) throw new GuestError("invalid-argument", "apf.json: it is no JSON object");
  const cert = stringMember(document, "tls-server-cert");
  const key = stringMember(document, "tls-server-key");
  if ((cert === "") !== (key === "")) {
    throw new GuestError("invalid-argument", "apf.json: tls-server-cert and tls-server-key go together");
  }
  const ca = stringMember(document, "tls-client-ca");
  const tls: ServerTls = {
    cert,
    key,
    // Absent means "everybody" to the reference; here it is an error when the port opens.
    ca: ca === "" ? undefined : ca,
    minVersion: stringMember(document, "tls-min-version"),
    cipherSuites: stringList(document, "tls-cipher-suites"),
  };
  return { podNetwork: member(document, "pod-network"), tls: cert === "" ? undefined : tls };
}

function member(document: JsonObject, key: string): JsonValue {
  if (Object.hasOwn(document, key)) return document[key] ?? null;
  const match = Object.keys(document).find((candidate) => candidate.toLowerCase() === key);
  return match === undefined ? null : (document[match] ?? null);
}

function stringMember(document: JsonObject, key: string): string {
  const value = member(document, key) ?? "";
  if (typeof value !== "string") throw new GuestError("invalid-argument", `apf.json: ${key} is no string`);
  return value;
}

function stringList(document: JsonObject, key: string): readonly string[] {
  const value = member(document, key) ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw new GuestError("invalid-argument", `apf.json: ${key} is no list of strings`);
  }
  return value;
}
