import { GuestError, messageOf } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { fileVersion, readFileIfPresent } from "../sys/file.ts";
import type { AgentConfiguration } from "./configuration.ts";

/** No apf.json is larger. */
export const maxApfFileBytes = 1024 * 1024;

/** What cloud-api-adaptor tells the pod VM in apf.json (spec/forwarder.md 3). It comes from the host. */
export interface ApfFile {
  /** The pod's network, for guest/network to check; null when there is none. */
  readonly podNetwork: JsonValue;
  readonly tls: ApfTls;
}

/** TLS material of the host's choice. PEM; undefined: apf.json does not have it. */
export interface ApfTls {
  /** There together with the key, or not at all. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Absent means "everybody" to the reference; here it is an error when the port opens. */
  readonly ca: string | undefined;
  readonly minVersion: string | undefined;
  readonly cipherSuites: readonly string[] | undefined;
}

/** An apf.json and which one it was. */
export interface ReadApfFile {
  readonly file: ApfFile;
  /** For {@link fileVersion}; undefined when there is none. */
  readonly version: string | undefined;
}

/**
 * Reads what cloud-api-adaptor left. It may be missing where the port needs nothing of it.
 *
 * @throws GuestError `failed-precondition` when it is missing, `invalid-argument` that names the key
 */
export function readApfFile(agent: AgentConfiguration): ReadApfFile {
  // The version first: what changes while it is read shows at the next look.
  const version = fileVersion(agent.apfFile);
  const text = readFileIfPresent(agent.apfFile, maxApfFileBytes);
  if (text !== undefined) return { file: parseApfFile(text), version };
  if (!needsApfFile(agent)) return { file: parseApfFile("{}"), version };
  throw new GuestError(
    "failed-precondition",
    `${agent.apfFile} is missing: TLS material of the port would come from there`,
  );
}

/** Whether apf.json has to be there for the port to open. */
export function needsApfFile({ tls, tlsServerCertificate, tlsClientCa }: AgentConfiguration): boolean {
  return tls === "required" && (tlsServerCertificate === "" || tlsClientCa === "");
}

/**
 * Parses apf.json. Its writer is Go: keys match in any case where there is no exact match, `null` is an absent value, unknown
 * keys are skipped.
 *
 * @throws GuestError `invalid-argument` that names the key
 */
export function parseApfFile(text: string | Uint8Array): ApfFile {
  const document = parseDocument(text);
  const cert = stringMember(document, "tls-server-cert");
  const key = stringMember(document, "tls-server-key");
  if ((cert === "") !== (key === "")) {
    throw new GuestError("invalid-argument", "apf.json: tls-server-cert and tls-server-key go together");
  }
  const tls: ApfTls = {
    cert: cert || undefined,
    key: key || undefined,
    ca: stringMember(document, "tls-client-ca") || undefined,
    minVersion: stringMember(document, "tls-min-version") || undefined,
    cipherSuites: stringList(document, "tls-cipher-suites"),
  };
  return { podNetwork: member(document, "pod-network"), tls };
}

function parseDocument(text: string | Uint8Array): JsonObject {
  let document: JsonValue;
  try {
    document = parseJson(text);
  } catch (cause) {
    throw new GuestError("invalid-argument", `apf.json: ${messageOf(cause)}`, { cause });
  }
  if (!isJsonObject(document)) throw new GuestError("invalid-argument", "apf.json: it is no JSON object");
  return document;
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
