import { collect } from "./content.ts";
import type { Digest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { parseDiffIds } from "./image-config.ts";
import type { ImageLayer } from "./layer-fetcher.ts";
import type { ImageLimits } from "./limits.ts";
import { type ImageManifest, parseManifest } from "./manifest.ts";
import { choosePlatform, type Platform } from "./platform.ts";
import { type ImageReference, manifestName } from "./reference.ts";
import type { FetchedManifest, RegistryClient } from "./registry/client.ts";

/** An image before its layers are fetched: all documents, each proven by its digest. */
export interface ResolvedImage {
  /** Digest of the platform's manifest. */
  readonly manifestDigest: Digest;
  /** Digest of the index that led to it, if there was one. */
  readonly indexDigest: Digest | undefined;
  readonly configDigest: Digest;
  /** Bottom layer first. */
  readonly layers: readonly ImageLayer[];
}

/**
 * Finds the image for a platform: the manifest (by way of an index, if the reference names one) and its config.
 *
 * @throws ImageError
 */
export async function resolveImage(
  client: RegistryClient,
  reference: ImageReference,
  platform: Platform,
  limits: ImageLimits,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const first = await client.manifest(manifestName(reference), signal);
  const document = parseManifest(first.bytes, first.contentType, limits);
  if (document.kind === "image") return await withConfig(client, first, undefined, document, platform, signal);

  const entry = choosePlatform(document, platform);
  const second = await client.manifest(entry.digest, signal);
  if (second.bytes.length !== entry.size) {
    throw new ImageError(
      "integrity",
      `manifest ${entry.digest} has ${second.bytes.length} bytes, the index says ${entry.size}`,
    );
  }
  const manifest = parseManifest(second.bytes, second.contentType, limits);
  if (manifest.kind !== "image") throw new ImageError("invalid-image", "the index points to another index");
  return await withConfig(client, second, first.digest, manifest, platform, signal);
}

async function withConfig(
  client: RegistryClient,
  { digest: manifestDigest }: FetchedManifest,
  indexDigest: Digest | undefined,
  manifest: ImageManifest,
  platform: Platform,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const bytes = await collect(await client.blob(manifest.config, "image config", signal));
  const diffIds = parseDiffIds(bytes, manifest.layers.length, platform);
  const layers = manifest.layers.map((descriptor, index) => ({ descriptor, diffId: diffIdAt(diffIds, index) }));
  return { manifestDigest, indexDigest, configDigest: manifest.config.digest, layers };
}

function diffIdAt(diffIds: readonly Digest[], index: number): Digest {
  const diffId = diffIds[index];
  if (diffId === undefined) throw new RangeError(`no diff id ${index}`); // their number was compared with the layers'
  return diffId;
}
