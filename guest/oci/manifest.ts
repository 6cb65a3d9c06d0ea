import { type Digest, parseDigest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { JsonObject } from "./json-object.ts";
import type { ImageLimits } from "./limits.ts";
import { configMediaTypes, indexMediaTypes, layerFormat, manifestMediaTypes } from "./media-types.ts";

/** Content by its digest (OCI image spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations: ReadonlyMap<string, string>;
}

/** A platform's image in an index. */
export interface IndexEntry extends Descriptor {
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant: string } | undefined;
}

/** One image (OCI image spec, manifest.md; Docker schema 2). */
export interface ImageManifest {
  readonly kind: "image";
  readonly config: Descriptor;
  /** Bottom layer first. */
  readonly layers: readonly Descriptor[];
}

/** The same image for several platforms (OCI image spec, image-index.md; Docker manifest list). */
export interface ImageIndex {
  readonly kind: "index";
  readonly entries: readonly IndexEntry[];
}

/**
 * Reads a manifest or an index. What the document says of itself must agree with the registry's Content-Type, and it must
 * not look like both at once: such documents mean different things to different readers.
 *
 * @param contentType the registry's header, without parameters
 * @throws ImageError `invalid-image`; `limit` for too many layers or entries
 */
export function parseManifest(bytes: Uint8Array, contentType: string, limits: ImageLimits): ImageManifest | ImageIndex {
  const document = JsonObject.parse(bytes, "manifest");
  const mediaType = documentType(document, contentType);
  if (indexMediaTypes.has(mediaType)) {
    refuseMembers(document, ["config", "layers", "fsLayers"]);
    return parseIndex(document, limits);
  }
  refuseMembers(document, ["manifests", "fsLayers"]);
  return parseImage(document, limits);
}

function documentType(document: JsonObject, contentType: string): string {
  const known = (type: string) => manifestMediaTypes.has(type) || indexMediaTypes.has(type);
  const declared = document.optionalString("mediaType");
  if (document.get("schemaVersion") === 1 || /docker\.distribution\.manifest\.v1\+/.test(contentType)) {
    const advice = "rebuild or re-push the image with a current tool";
    throw new ImageError("invalid-image", `unsupported manifest schema 1 (Docker image v2 schema 1): ${advice}`);
  }
  if (document.naturalNumber("schemaVersion") !== 2) {
    throw new ImageError("invalid-image", "manifest.schemaVersion is not 2");
  }
  if (declared !== undefined && known(contentType) && declared !== contentType) {
    throw new ImageError("invalid-image", `the manifest calls itself ${declared}, the registry ${contentType}`);
  }
  const mediaType = declared ?? contentType;
  if (!known(mediaType)) {
    throw new ImageError("invalid-image", `unsupported manifest media type ${JSON.stringify(mediaType.slice(0, 200))}`);
  }
  return mediaType;
}

function refuseMembers(document: JsonObject, names: readonly string[]): void {
  for (const name of names) {
    if (document.has(name))
      throw new ImageError("invalid-image", `the manifest has ${name}, contrary to its media type`);
  }
}

function parseImage(document: JsonObject, limits: ImageLimits): ImageManifest {
  const config = parseDescriptor(document.object("config"));
  if (!configMediaTypes.has(config.mediaType)) {
    throw new ImageError("invalid-image", `not a container image: its config is ${config.mediaType.slice(0, 200)}`);
  }
  if (config.size > limits.maxConfigBytes) {
    throw new ImageError(
      "limit",
      `the image config has ${config.size} bytes, at most ${limits.maxConfigBytes} are taken`,
    );
  }
  const layers = document.objects("layers").map(parseDescriptor);
  if (layers.length === 0) throw new ImageError("invalid-image", "the image has no layers");
  if (layers.length > limits.maxLayers) {
    throw new ImageError("limit", `the image has ${layers.length} layers, at most ${limits.maxLayers} are taken`);
  }
  for (const layer of layers) checkLayer(layer, limits);
  return { kind: "image", config, layers };
}

function checkLayer(layer: Descriptor, limits: ImageLimits): void {
  layerFormat(layer.mediaType);
  if (layer.size <= limits.maxLayerBytes) return;
  const text = `layer ${layer.digest} has ${layer.size} bytes, at most ${limits.maxLayerBytes} are taken`;
  throw new ImageError("limit", text);
}

function parseIndex(document: JsonObject, limits: ImageLimits): ImageIndex {
  const manifests = document.objects("manifests");
  if (manifests.length > limits.maxIndexEntries) {
    throw new ImageError(
      "limit",
      `the index has ${manifests.length} entries, at most ${limits.maxIndexEntries} are taken`,
    );
  }
  return { kind: "index", entries: manifests.map(parseIndexEntry) };
}

function parseIndexEntry(entry: JsonObject): IndexEntry {
  const platform = entry.optionalObject("platform");
  return {
    ...parseDescriptor(entry),
    platform: platform && {
      os: platform.optionalString("os") ?? "",
      architecture: platform.optionalString("architecture") ?? "",
      variant: platform.optionalString("variant") ?? "",
    },
  };
}

/** @throws ImageError `invalid-image` */
export function parseDescriptor(object: JsonObject): Descriptor {
  return {
    mediaType: object.string("mediaType"),
    digest: parseDigest(object.string("digest"), `${object.where}.digest`),
    size: object.naturalNumber("size"),
    annotations: object.stringMap("annotations"),
  };
}
