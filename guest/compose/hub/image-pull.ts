import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { parseToml } from "../../core/toml.ts";
import {
  type DocumentSource,
  type ImageConfig,
  type ImagePuller,
  parseWrappedLayerKey,
  unwrapLayerKey,
} from "../../hub/index.ts";
import { parseResourceUri, type ResourceProvider } from "../../kbs/index.ts";
import { createLayerDecryptor } from "../../oci/encryption/layer-decryptor.ts";
import { createImagePuller, type ImagePolicy, type ImagePuller as RegistryPuller } from "../../oci/image-puller.ts";
import { linuxPlatform } from "../../oci/platform.ts";
import { createImagePolicy } from "../../oci/policy/image-policy.ts";
import { parseImagePolicy } from "../../oci/policy/policy-document.ts";
import { defaultRegistries, parseRegistriesConfig, type RegistriesConfig } from "../../oci/registries.ts";
import { anonymous, type CredentialLookup, parseCredentials } from "../../oci/registry/credentials.ts";
import { readFileBounded, readFileIfPresent } from "../../sys/file.ts";
import { HttpClient } from "../../sys/http-client.ts";

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
  // What may fail goes before what has to be closed.
  const documents = {
    credentials: await loadCredentials(parts),
    registries: await loadRegistries(parts),
    ...(await loadPolicy(parts)),
  };
  const client = new HttpClient({
    trust: certificates.length === 0 ? { kind: "public" } : { kind: "public-and", certificates },
  });
  lifetime.addEventListener("abort", () => client.close(), { once: true });
  const puller = createImagePuller({
    storeDirectory: parts.storeDirectory,
    sender: client,
    platform: linuxPlatform(process.arch),
    log: parts.log,
    ...documents,
    decrypt: createLayerDecryptor(async (packet, signal) =>
      unwrapLayerKey(parseWrappedLayerKey(packet), parts.resources, signal),
    ),
    limits: { maxConcurrentLayers: config.maxConcurrentLayerDownloads },
  });
  lifetime.addEventListener("abort", () => puller.close(), { once: true });
  return puller;
}

/** Which images may be used. It comes from initdata or the key broker; without one every image may. */
async function loadPolicy(parts: ImagePullParts): Promise<{ readonly policy?: ImagePolicy }> {
  const source = parts.config.securityPolicy;
  if (source === undefined) return {};
  const document = parseImagePolicy(await readDocument(source, parts));
  return { policy: createImagePolicy(document, (uri) => readDocument({ kind: "uri", uri }, parts)) };
}

async function loadRegistries(parts: ImagePullParts): Promise<RegistriesConfig> {
  const { registries, registryConfiguration } = parts.config;
  if (registries !== undefined) {
    return { searchRegistries: registries.unqualifiedSearch, rules: registries.rules };
  }
  if (registryConfiguration === undefined) return defaultRegistries;
  return parseRegistriesConfig(parseToml(await readDocument(registryConfiguration, parts)));
}

async function loadCredentials(parts: ImagePullParts): Promise<CredentialLookup> {
  const source = parts.config.registryCredentials;
  if (source !== undefined) return parseCredentials(await readDocument(source, parts));
  // Read at each pull: the host's are renewed while the pod runs.
  return (reference) => readHostCredentials(parts.hostCredentials)(reference);
}

function readHostCredentials(file: string): CredentialLookup {
  const bytes = readFileIfPresent(file, maxDocumentBytes);
  return bytes === undefined ? anonymous : parseCredentials(bytes);
}

async function readDocument(source: DocumentSource, { resources, lifetime }: ImagePullParts): Promise<Uint8Array> {
  if (source.kind === "inline") return Buffer.from(source.text);
  if (source.uri.startsWith("kbs://")) return resources.getResource(parseResourceUri(source.uri), lifetime);
  return readFileBounded(source.uri.replace(/^file:\/\//, ""), maxDocumentBytes);
}

function refuseUnsupported(config: ImageConfig): void {
  const settings = {
    sigstore_config: config.sigstoreConfig,
    "image_pull_proxy.https_proxy": config.proxy.https,
    "image_pull_proxy.http_proxy": config.proxy.http,
  };
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) throw new GuestError("unimplemented", `cdh.toml: image.${name} is not supported yet`);
  }
}
