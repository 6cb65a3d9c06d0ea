import { messageOf } from "../core/errors.ts";
import { isTomlTable, parseToml, type TomlTable, type TomlValue } from "../core/toml.ts";
import { decodeWrappedBase64 } from "./base64.ts";
import { type DigestAlgorithm, digestAlgorithms, digestOf, isDigestAlgorithm } from "./digest.ts";
import { InitdataError } from "./initdata-error.ts";
import { maxDocumentBytes, maxEntries, maxEntryBytes } from "./limits.ts";
import { checkMeasuredSettings } from "./measured-settings.ts";

/** The only version there is. */
export const initdataVersion = "0.1.0";

/** A configuration file inside the document, proven to be TOML as the only parser here reads it (threat model row 87). */
export interface ConfigurationEntry {
  readonly text: string;
  readonly table: TomlTable;
}

/** The policy inside the document, in one of its two forms. */
export type PolicyEntry =
  | { readonly kind: "rego"; readonly text: string }
  | { readonly kind: "wasm"; readonly module: Uint8Array };

/** A checked document. */
export interface Initdata {
  /** The exact bytes that the digest is of. */
  readonly document: Uint8Array;
  readonly algorithm: DigestAlgorithm;
  readonly digest: Uint8Array;
  /** `aa.toml`: the attestation agent's configuration. */
  readonly attestationAgent: ConfigurationEntry | undefined;
  /** `cdh.toml`: the data hub's configuration. */
  readonly dataHub: ConfigurationEntry | undefined;
  /** `podkeep.toml`, checked: what the pod's owner sets of the image's own configuration. */
  readonly settings: ConfigurationEntry | undefined;
  /** `policy.rego` or `policy.wasm`. */
  readonly policy: PolicyEntry | undefined;
  /** Bytes of each entry that is used, by name, in the document's order. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Names of entries that nothing here reads. */
  readonly skipped: readonly string[];
  /** What should be looked at though it is allowed, a sentence each. */
  readonly warnings: readonly string[];
}

/** Entry names and where they are used. They are compared as they are, never joined to a path (threat model row 88). */
const knownEntries = ["aa.toml", "cdh.toml", "podkeep.toml", "policy.rego", "policy.wasm"] as const;
type EntryName = (typeof knownEntries)[number];

/**
 * Parses a document (spec/initdata.md 2) and computes its digest. Accepts what the strictest reader accepts: the three keys
 * `algorithm`, `version`, `data`, version 0.1.0, three algorithms, strings as entries; other top-level keys are ignored.
 *
 * @param document the exact bytes
 * @throws InitdataError naming the key at fault
 */
export function parseInitdata(document: Uint8Array): Initdata {
  const root = parseDocument(document);
  const algorithm = root["algorithm"];
  if (!isDigestAlgorithm(algorithm))
    throw new InitdataError("algorithm", `must be one of ${digestAlgorithms.join(", ")}, is ${describe(algorithm)}`);
  if (root["version"] !== initdataVersion)
    throw new InitdataError("version", `must be "${initdataVersion}", is ${describe(root["version"])}`);
  const entries = readEntries(root["data"]);
  const known = [...entries].filter(([name]) => isKnownEntry(name));
  return {
    document,
    algorithm,
    digest: digestOf(algorithm, document),
    attestationAgent: configurationEntry(entries, "aa.toml"),
    dataHub: configurationEntry(entries, "cdh.toml"),
    settings: settingsEntry(entries),
    policy: policyEntry(entries),
    sizes: new Map(known.map(([name, text]) => [name, Buffer.byteLength(text)])),
    skipped: [...entries.keys()].filter((name) => !isKnownEntry(name)),
    warnings: known.flatMap(([name, text]) => secretWarnings(name, text)),
  };
}

function isKnownEntry(name: string): name is EntryName {
  return knownEntries.some((known) => known === name);
}

function parseDocument(document: Uint8Array): TomlTable {
  if (document.length > maxDocumentBytes) throw new InitdataError("document", `longer than ${maxDocumentBytes} bytes`);
  try {
    return parseToml(document);
  } catch (cause) {
    throw new InitdataError("document", messageOf(cause), cause);
  }
}

function readEntries(data: TomlValue | undefined): ReadonlyMap<string, string> {
  if (!isTomlTable(data)) throw new InitdataError("data", `must be a table of file name to text, is ${describe(data)}`);
  const entries = Object.entries(data);
  if (entries.length > maxEntries) throw new InitdataError("data", `more than ${maxEntries} entries`);
  return new Map(entries.map(([name, value]) => [name, entryText(name, value)]));
}

function entryText(name: string, value: TomlValue): string {
  const key = entryKey(name);
  if (typeof value !== "string") {
    const hint = isTomlTable(value) ? '; a name with a dot needs quotes, as in "aa.toml" = …' : "";
    throw new InitdataError(key, `must be a string, is ${describe(value)}${hint}`);
  }
  if (Buffer.byteLength(value) > maxEntryBytes) throw new InitdataError(key, `longer than ${maxEntryBytes} bytes`);
  return value;
}

function configurationEntry(entries: ReadonlyMap<string, string>, name: EntryName): ConfigurationEntry | undefined {
  const text = entries.get(name);
  if (text === undefined) return undefined;
  try {
    return { text, table: parseToml(text) };
  } catch (cause) {
    throw new InitdataError(entryKey(name), messageOf(cause), cause);
  }
}

function settingsEntry(entries: ReadonlyMap<string, string>): ConfigurationEntry | undefined {
  const entry = configurationEntry(entries, "podkeep.toml");
  if (entry === undefined) return undefined;
  try {
    checkMeasuredSettings(entry.table);
    return entry;
  } catch (cause) {
    throw new InitdataError(entryKey("podkeep.toml"), messageOf(cause), cause);
  }
}

function policyEntry(entries: ReadonlyMap<string, string>): PolicyEntry | undefined {
  const text = entries.get("policy.rego");
  const encoded = entries.get("policy.wasm");
  if (encoded === undefined) return text === undefined ? undefined : { kind: "rego", text };
  const key = entryKey("policy.wasm");
  if (text !== undefined) throw new InitdataError(key, "stands beside policy.rego; only one of the two can rule");
  const module = decodeWrappedBase64(encoded);
  if (module === undefined) throw new InitdataError(key, "must be the module in standard base64");
  return { kind: "wasm", module };
}

/** The host reads all of this document (threat model row 91). */
function secretWarnings(name: string, text: string): readonly string[] {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return [];
  return [`${entryKey(name)} holds a private key; initdata is not secret, deliver keys from the key broker`];
}

function entryKey(name: string): string {
  return `data.${JSON.stringify(name.slice(0, 100))}`;
}

function describe(value: TomlValue | undefined): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (isTomlTable(value)) return "a table";
  return Array.isArray(value) ? "an array" : `a ${value instanceof Date ? "date" : typeof value}`;
}
