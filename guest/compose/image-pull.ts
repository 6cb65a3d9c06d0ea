import { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { DocumentSource, ImageConfig, ImagePuller } from "../hub/index.ts";
import { parseResourceUri, type ResourceProvider } from "../kbs/index.ts";
import { createImagePuller, type ImagePuller as RegistryPuller } from "../oci/image-puller.ts";
import { linuxPlatform } from "../oci/platform.ts";
import type { RegistriesConfig } from "../oci/registries.ts";
import { type CredentialLookup, parseCredentials } from "../oci/registry/credentials.ts";
import { readFileBounded, readFileIfPresent } from "../sys/file.ts";
import { HttpClient } from "../sys/http-client.ts";

const maxDocumentBytes = 4 * 1024 * 1024;

/** What image pulling is made of. */
export interface ImagePullParts {
  readonly config: ImageConfig;
  readonly storeDirectory: string;
  /** Credentials that the host may have brought; they open registries and prove nothing (threat model row 106). */
  readonly hostCredentials: string;
  readonly resources: ResourceProvider;
  readonly log: Log;
  readonly lifetime: AbortSignal;
}

/**
 * Image pulling as cdh.toml configures it. Documents that come from the key broker are fetched at the first pull, since attesting
 * takes time and not every pod pulls; a failure is not kept.
 *
 * @throws GuestError `unimplemented` for a setting that can't be honoured: it must not be passed over in silence
 */
export function composeImagePull(parts: ImagePullParts): ImagePuller {
  refuseUnsupported(parts.config);
  let puller: Promise<RegistryPuller> | undefined;
  return {
    async pullImage(reference, bundlePath, signal) {
      puller ??= openPuller(parts);
      const opening = puller;
      opening.catch(() => {
        if (puller === opening) puller = undefined;
      });
      const { manifestDigest } = await (await opening).pull({ reference, bundlePath, signal });
      return { manifestDigest: String(manifestDigest) };
    },
  };
}

async function openPuller(parts: ImagePullParts): Promise<RegistryPuller> {
  const { config, lifetime } = parts;
  const certificates = config.extraRootCertificates;
  const client = new HttpClient({
    trust: certificates.length === 0 ? { kind: "public" } : { kind: "public-and", certificates },
  });
  lifetime.addEventListener("abort", () => client.close(), { once: true });
  return createImagePuller({
    storeDirectory: config.workDirectory ?? parts.storeDirectory,
    sender: client,
    platform: linuxPlatform(process.arch),
    log: parts.log,
    credentials: await loadCredentials(parts),
    registries: registriesOf(config),
    limits: { maxConcurrentLayers: config.maxConcurrentLayerDownloads },
  });
}

async function loadCredentials(parts: ImagePullParts): Promise<CredentialLookup> {
  const source = parts.config.registryCredentials;
  const bytes =
    source === undefined
      ? readFileIfPresent(parts.hostCredentials, maxDocumentBytes)
      : await readDocument(source, parts);
  return parseCredentials(bytes ?? Buffer.from('{"auths":{}}'));
}

async function readDocument(source: DocumentSource, { resources, lifetime }: ImagePullParts): Promise<Uint8Array> {
  if (source.kind === "inline") return Buffer.from(source.text);
  if (source.uri.startsWith("kbs://")) return resources.getResource(parseResourceUri(source.uri), lifetime);
  return readFileBounded(source.uri.replace(/^file:\/\//, ""), maxDocumentBytes);
}

function registriesOf({ registries }: ImageConfig): RegistriesConfig {
  return { searchRegistries: registries?.unqualifiedSearch ?? ["docker.io"], rules: registries?.rules ?? [] };
}

function refuseUnsupported(config: ImageConfig): void {
  const settings = {
    image_security_policy: config.securityPolicy,
    sigstore_config: config.sigstoreConfig,
    registry_configuration_uri: config.registryConfiguration,
    "image_pull_proxy.https_proxy": config.proxy.https,
    "image_pull_proxy.http_proxy": config.proxy.http,
  };
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) throw new GuestError("unimplemented", `cdh.toml: image.${name} is not supported yet`);
  }
}
