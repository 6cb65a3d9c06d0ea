import { PassThrough, type Transform } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { messageOf } from "../../core/errors.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import type { Compression } from "../media-types.ts";

/** Bytes that a decompressor hands out at once: large, so that the thread pool's round trips don't count. */
const chunkSize = 256 * 1024;

/** A stream that decompresses: gzip with several members, zstd with several frames, or nothing at all. */
export function createDecompressor(compression: Compression, limits: ImageLimits): Transform {
  switch (compression) {
    case "none":
      return new PassThrough();
    case "gzip":
      return createGunzip({ chunkSize });
    case "zstd":
      return createZstdDecompress({
        chunkSize,
        params: { [constants.ZSTD_d_windowLogMax]: limits.maxZstdWindowLog },
      });
  }
}

/**
 * To be called when a decompressor has ended: whether it has noticed bytes behind its data depends on the pieces in which
 * they came.
 *
 * @param size bytes that it was given
 * @throws ImageError `invalid-image` when it has left some of them
 */
export function checkFullyDecompressed(decompressor: Transform, size: number, what: string): void {
  // What doesn't compress has no such number, and passes everything on.
  if ("bytesWritten" in decompressor && decompressor.bytesWritten !== size) throw trailingBytes(what);
}

/** A decompressor's failure as an {@link ImageError}; anything else as it is. Not for the failure of a cancelled pull. */
export function decompressionError(error: unknown, what: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ZSTD_error_frameParameter_windowTooLarge") {
    return new ImageError("limit", `${what} needs too large a zstd window`, { cause: error });
  }
  // It has ended before its source.
  if (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR") return trailingBytes(what, error);
  if (!/^(Z_|ZSTD_)/.test(code)) return error;
  return new ImageError("invalid-image", `${what} cannot be decompressed: ${messageOf(error)}`, { cause: error });
}

function trailingBytes(what: string, cause?: unknown): ImageError {
  return new ImageError("invalid-image", `${what} has something behind its compressed data`, { cause });
}
