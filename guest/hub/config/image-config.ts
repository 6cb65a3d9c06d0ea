import { GuestError } from "../../core/errors.ts";
import { parseCertificates, parseResourceUri } from "../../kbs/index.ts";
import type { TableReader } from "./table-reader.ts";

/** Where a document for image pulls comes from. */
export type DocumentSource =
  | { readonly kind: "inline"; readonly text: string }
  /** A `kbs://` URI, a `file://` URI or an absolute path, checked when it is read. */
  | { readonly kind: "uri"; readonly uri: string };

/** A mirror or an original place of images (containers-registries.conf v2). */
export interface RegistryMirror {
  readonly location: string;
  readonly insecure: boolean;
}

/** What holds for the images below a prefix. */
export interface RegistryRule extends RegistryMirror {
  readonly prefix: string;
  readonly blocked: boolean;
  readonly mirrors: readonly RegistryMirror[];
}

/** The `[image]` table of cdh.toml (spec/cdh.md 3). Undefined members were not set. */
export interface ImageConfig {
  readonly workDirectory: string | undefined;
  readonly maxConcurrentLayerDownloads: number;
  readonly securityPolicy: DocumentSource | undefined;
  readonly sigstoreConfig: DocumentSource | undefined;
  readonly registryCredentials: DocumentSource | undefined;
  /** `registries.conf` elsewhere; used when `registries` is undefined. */
  readonly registryConfiguration: DocumentSource | undefined;
  readonly registries:
    | { readonly unqualifiedSearch: readonly string[]; readonly rules: readonly RegistryRule[] }
    | undefined;
  readonly proxy: {
    readonly https: string | undefined;
    readonly http: string | undefined;
    readonly no: string | undefined;
  };
  /** PEM. */
  readonly extraRootCertificates: readonly string[];
}

/** Reads the table, or gives the defaults when there is none. @throws GuestError `invalid-argument` that names the key */
export function readImageConfig(table: TableReader | undefined): ImageConfig {
  const proxy = table?.table("image_pull_proxy");
  const registries = table?.table("registry_config");
  return {
    workDirectory: table?.parsed("work_dir", parseAbsolutePath),
    maxConcurrentLayerDownloads:
      table?.integer("max_concurrent_layer_downloads_per_image", 3, { min: 1, max: 64 }) ?? 3,
    securityPolicy: readSource(table, "image_security_policy_uri", "image_security_policy"),
    sigstoreConfig: readSource(table, "sigstore_config_uri", "sigstore_config"),
    registryCredentials: readSource(table, "authenticated_registry_credentials_uri"),
    registryConfiguration: readSource(table, "registry_configuration_uri"),
    registries: registries && {
      unqualifiedSearch: registries.strings("unqualified-search-registries"),
      rules: registries.tables("registry").map(readRegistryRule),
    },
    proxy: {
      https: proxy?.optionalString("https_proxy"),
      http: proxy?.optionalString("http_proxy"),
      no: proxy?.optionalString("no_proxy"),
    },
    extraRootCertificates: readCertificates(table),
  };
}

function readCertificates(table: TableReader | undefined): readonly string[] {
  const key = "extra_root_certificates";
  const certificates = table?.strings(key) ?? [];
  certificates.forEach((pem, index) => {
    try {
      parseCertificates(pem);
    } catch (cause) {
      throw table?.error(`${key}[${index}]`, "must be certificates as PEM text", cause);
    }
  });
  return certificates;
}

/** The URI wins over the inline text (spec/cdh.md 3). */
function readSource(table: TableReader | undefined, uriKey: string, inlineKey?: string): DocumentSource | undefined {
  const text = inlineKey === undefined ? undefined : table?.optionalString(inlineKey);
  const uri = table?.parsed(uriKey, parseDocumentUri);
  if (uri !== undefined) return { kind: "uri", uri };
  return text === undefined ? undefined : { kind: "inline", text };
}

function parseDocumentUri(uri: string): string {
  if (/^kbs(\+|:)/i.test(uri)) parseResourceUri(uri);
  else if (!/^(file:\/\/)?\/[^\0]*$/.test(uri)) {
    throw new GuestError("invalid-argument", "must be a kbs:// URI, a file:/// URI or an absolute path");
  }
  return uri;
}

function parseAbsolutePath(path: string): string {
  if (/^\/[^\0]*$/.test(path)) return path;
  throw new GuestError("invalid-argument", "must be an absolute path");
}

function readRegistryRule(table: TableReader): RegistryRule {
  return {
    prefix: table.optionalString("prefix") ?? "",
    location: table.optionalString("location") ?? "",
    insecure: table.boolean("insecure", false),
    blocked: table.boolean("blocked", false),
    mirrors: table
      .tables("mirror")
      .map((mirror) => ({ location: mirror.string("location"), insecure: mirror.boolean("insecure", false) })),
  };
}
