import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import type { Directory } from "../../sys/directory.ts";
import { isErrno } from "../../sys/system-error.ts";
import { type Digest, digestAlgorithm, digestHex } from "../digest.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import type { Compression } from "../media-types.ts";
import { TarReader } from "../tar/reader.ts";
import { ByteBudget } from "./byte-budget.ts";
import { checkFullyDecompressed, createDecompressor, decompressionError } from "./decompress.ts";
import { LayerUnpacker, type UnpackedLayer } from "./unpacker.ts";

/** What is known of a layer before its bytes arrive. */
export interface LayerStream {
  /** The transferred bytes, proven and decrypted on the way; fails in place of its end when they are not the right ones. */
  readonly source: AsyncIterable<Buffer>;
  readonly compression: Compression;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
  /** Bytes before decompression. */
  readonly compressedSize: number;
  /** Shared by all layers of the image. */
  readonly imageBudget: ByteBudget;
}

/** A layer as it lies in its directory. */
export interface StagedContent extends UnpackedLayer {
  /** Bytes of the uncompressed tar. */
  readonly tarBytes: number;
}

/**
 * Decompresses, hashes and unpacks a layer into a new directory in one pass, with memory for a few chunks only. When it
 * returns, transferred digest, size and diff id are proven; when it throws, the directory holds unproven remains.
 *
 * @param target where the directory is made, and its name
 * @throws ImageError
 */
export async function unpackLayerStream(
  { source, compression, diffId, compressedSize, imageBudget }: LayerStream,
  target: { readonly parent: Directory; readonly name: string },
  limits: ImageLimits,
  signal: AbortSignal,
): Promise<StagedContent> {
  const what = `layer ${diffId}`;
  const hash = createHash(digestAlgorithm(diffId));
  const budget = new ByteBudget(tarCap(compressedSize, limits), what);
  const unpacker = new LayerUnpacker(target.parent, target.name, limits);
  const reader = new TarReader(unpacker, limits);
  const decompressor = createDecompressor(compression, limits);
  let tarBytes = 0;
  const consume = async (tar: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of tar) {
      tarBytes += chunk.length;
      budget.take(chunk.length);
      imageBudget.take(chunk.length);
      hash.update(chunk);
      reader.write(chunk);
    }
  };
  try {
    await pipeline(source, decompressor, consume, { signal });
    checkFullyDecompressed(decompressor, compressedSize, what);
    const computed = hash.digest("hex");
    if (computed !== digestHex(diffId)) throw wrongDiffId(computed, diffId);
    reader.end();
    return { ...unpacker.finish(), tarBytes };
  } catch (error) {
    signal.throwIfAborted();
    throw translated(error, what);
  } finally {
    unpacker.close();
  }
}

/** Small layers may be as dense as they like; large ones only to a ratio that real files don't reach. */
function tarCap(compressedSize: number, limits: ImageLimits): number {
  const byRatio = Math.max(limits.ratioFreeBytes, compressedSize * limits.maxDecompressionRatio);
  return Math.min(limits.maxUnpackedLayerBytes, byRatio);
}

function wrongDiffId(computed: string, diffId: Digest): ImageError {
  const actual = `${digestAlgorithm(diffId)}:${computed}`;
  return new ImageError("integrity", `unequal uncompressed digest ${actual} config diff_id ${diffId}`);
}

function translated(error: unknown, what: string): unknown {
  if (error instanceof ImageError) return error;
  if (isErrno(error, "ENOSPC", "EDQUOT")) {
    return new ImageError("store", `no space left in the image store for ${what}`, { cause: error });
  }
  if (isErrno(error, "ENAMETOOLONG", "EMLINK", "ELOOP")) {
    return new ImageError("invalid-image", `${what} has a path that the kernel refuses`, { cause: error });
  }
  const decompression = decompressionError(error, what);
  if (decompression instanceof ImageError) return decompression;
  return new ImageError("store", `Failed to unpack ${what}`, { cause: error });
}
