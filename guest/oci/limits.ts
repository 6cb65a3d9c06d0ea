const kibi = 1024;
const mebi = 1024 * kibi;
const gibi = 1024 * mebi;

/** Caps of a pull (threat model row 108). Only configuration from initdata may change them, never the host. */
export interface ImageLimits {
  /** Size of a manifest or index; registries refuse more than 4 MiB themselves. */
  readonly maxManifestBytes: number;
  /** Size of a config blob. */
  readonly maxConfigBytes: number;
  /** Answers of token services, signature payloads, error pages. */
  readonly maxSmallBodyBytes: number;
  /** Entries of an index that are looked at. */
  readonly maxIndexEntries: number;
  /** Layers of an image. The option string of an overlay mount is one page; this many fit. */
  readonly maxLayers: number;
  /** Size of one layer as it is transferred. */
  readonly maxLayerBytes: number;
  /** Size of one layer's tar after decompression. */
  readonly maxUnpackedLayerBytes: number;
  /** Sum of all layers of an image after decompression. */
  readonly maxUnpackedImageBytes: number;
  /** A layer may grow this many times when decompressed … */
  readonly maxDecompressionRatio: number;
  /** … counted only from this size on, since small files of zeros compress extremely well. */
  readonly ratioFreeBytes: number;
  /** Largest window a zstd frame may ask for, as a power of two: its decoder allocates that much. */
  readonly maxZstdWindowLog: number;
  /** Entries of one layer, extension headers included. */
  readonly maxLayerEntries: number;
  /** Bytes of an extension header (long name, PAX records). */
  readonly maxExtensionBytes: number;
  /** Bytes of a path inside a layer; the kernel takes no longer one. */
  readonly maxPathBytes: number;
  /** Names in a path inside a layer. */
  readonly maxPathDepth: number;
  /** Bytes of the paths of one layer's directories: they are kept in memory until its end, some of them longer. */
  readonly maxDirectoryPathBytes: number;
  /** Bytes of the extended attributes of one entry. */
  readonly maxXattrBytes: number;
  /** Layers of one image in flight. */
  readonly maxConcurrentLayers: number;
  /** A registry that sends no byte for this long has failed. */
  readonly stallTimeoutMs: number;
}

export const defaultImageLimits: ImageLimits = {
  maxManifestBytes: 4 * mebi,
  maxConfigBytes: 8 * mebi,
  maxSmallBodyBytes: mebi,
  maxIndexEntries: 1000,
  maxLayers: 200,
  maxLayerBytes: 32 * gibi,
  maxUnpackedLayerBytes: 64 * gibi,
  maxUnpackedImageBytes: 128 * gibi,
  maxDecompressionRatio: 200,
  ratioFreeBytes: 256 * mebi,
  maxZstdWindowLog: 25,
  maxLayerEntries: 1_000_000,
  maxExtensionBytes: mebi,
  maxPathBytes: 4095,
  maxPathDepth: 255,
  maxDirectoryPathBytes: 32 * mebi,
  maxXattrBytes: 64 * kibi,
  maxConcurrentLayers: 3,
  stallTimeoutMs: 60_000,
};
