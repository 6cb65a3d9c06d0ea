import { ImageError } from "./errors.ts";

/** Documents that list the same image for several platforms. */
export const indexMediaTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);

/** Documents that describe one image. */
export const manifestMediaTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);

/** Configurations of container images; others mark artifacts that are no images. */
export const configMediaTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** What a manifest request accepts. */
export const acceptedManifests = [...manifestMediaTypes, ...indexMediaTypes].join(", ");

export type Compression = "none" | "gzip" | "zstd";

/** How a layer's bytes become its tar. */
export interface LayerFormat {
  readonly compression: Compression;
  /** Encrypted by ocicrypt (spec/image-pull.md 12); decrypted before it is decompressed. */
  readonly encrypted: boolean;
}

const layerCompressions: ReadonlyMap<string, Compression> = new Map([
  ["application/vnd.oci.image.layer.v1.tar", "none"],
  ["application/vnd.oci.image.layer.v1.tar+gzip", "gzip"],
  ["application/vnd.oci.image.layer.v1.tar+zstd", "zstd"],
  ["application/vnd.docker.image.rootfs.diff.tar", "none"],
  ["application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"],
  ["application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd"],
]);

const encryptedSuffix = "+encrypted";

/**
 * The format that a layer's media type declares; content is never sniffed. Foreign (non-distributable) layers are
 * refused: their bytes would come from addresses that the manifest chooses (threat model row 110).
 *
 * @throws ImageError `invalid-image`
 */
export function layerFormat(mediaType: string): LayerFormat {
  const encrypted = mediaType.endsWith(encryptedSuffix);
  const base = encrypted ? mediaType.slice(0, -encryptedSuffix.length) : mediaType;
  const compression = layerCompressions.get(base);
  if (compression !== undefined) return { compression, encrypted };
  const foreign = /nondistributable|foreign/.test(mediaType) ? " (foreign layers are not supported)" : "";
  const text = `Failed to decode layer: unhandled media type: ${mediaType.slice(0, 200)}${foreign}`;
  throw new ImageError("invalid-image", text);
}
