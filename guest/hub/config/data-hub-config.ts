import { GuestError } from "../../core/errors.ts";
import { type KbsEndpoint, parseResourceUri, type ResourceUri } from "../../kbs/index.ts";
import { readEndpoint } from "./attestation-agent-config.ts";
import { type ImageConfig, readImageConfig } from "./image-config.ts";
import { TableReader } from "./table-reader.ts";

/** Where secrets come from: a key broker, files in the image, or nowhere. */
export type KeyBrokerConfig =
  | { readonly kind: "cc_kbc"; readonly endpoint: KbsEndpoint }
  | { readonly kind: "offline_fs_kbc" };

/** A resource that becomes a file before the data hub serves. */
export interface CredentialFile {
  readonly resource: ResourceUri;
  /** Below {@link credentialDirectory}. */
  readonly path: string;
}

/** cdh.toml, checked and with its defaults (spec/cdh.md 3). */
export interface DataHubConfig {
  /** Path of the socket to listen on; undefined: the program's own configuration decides. */
  readonly socketPath: string | undefined;
  /** Path of the attestation agent's socket; undefined: the agent in this process is used. */
  readonly attestationAgentSocketPath: string | undefined;
  readonly keyBroker: KeyBrokerConfig;
  readonly credentials: readonly CredentialFile[];
  /** Sealed secrets are opened without looking at their signature. */
  readonly skipSealedSecretVerification: boolean;
  readonly image: ImageConfig;
  readonly logLevel: string | undefined;
  /** Keys without a meaning here, for a warning. The reference ignores them silently. */
  readonly unknownKeys: readonly string[];
}

/** The only place that credential files may be written to (spec/cdh.md 6). */
const credentialDirectory = "/run/confidential-containers/cdh/kbs";

/** What holds without cdh.toml: secrets come from files that the image brings, if any. */
export const defaultDataHubConfig: DataHubConfig = parseDataHubConfig('[kbc]\nname = "offline_fs_kbc"\n');

/**
 * Parses cdh.toml.
 *
 * @throws GuestError `invalid-argument` that names the key
 */
export function parseDataHubConfig(text: string): DataHubConfig {
  const root = TableReader.parse("cdh.toml", text);
  const keyBroker = root.table("kbc");
  if (keyBroker === undefined) throw root.error("kbc", "is missing");
  return {
    socketPath: root.parsed("socket", parseUnixAddress),
    attestationAgentSocketPath: root.table("aa")?.parsed("aa_socket", parseUnixAddress),
    keyBroker: readKeyBroker(keyBroker),
    credentials: root.tables("credentials").map(readCredential),
    skipSealedSecretVerification: root.boolean("skip_sealed_secret_verification", false),
    image: readImageConfig(root.table("image")),
    logLevel: root.table("log")?.optionalString("level"),
    unknownKeys: root.unknownKeys,
  };
}

function readKeyBroker(table: TableReader): KeyBrokerConfig {
  const kind = table.requiredParsed("name", (name) => {
    if (name === "cc_kbc" || name === "offline_fs_kbc") return name;
    throw new GuestError("invalid-argument", "must be cc_kbc or offline_fs_kbc");
  });
  if (kind === "cc_kbc") return { kind, endpoint: readEndpoint(table, "kbs_cert") };
  table.optionalString("url"); // The reference allows it and ignores it.
  return { kind };
}

function readCredential(table: TableReader): CredentialFile {
  return {
    resource: table.requiredParsed("resource_uri", parseResourceUri),
    path: table.requiredParsed("path", (path) => {
      const inside = path.startsWith(`${credentialDirectory}/`) && !/(^|\/)\.{0,2}(\/|$)/.test(path.slice(1));
      if (inside && !path.includes("\0")) return path;
      throw new GuestError("invalid-argument", `must be a plain path below ${credentialDirectory}`);
    }),
  };
}

function parseUnixAddress(address: string): string {
  const path = /^unix:\/\/(\/[^\0]+)$/.exec(address)?.[1];
  if (path === undefined) throw new GuestError("invalid-argument", "must be unix:// and an absolute path");
  return path;
}
