import { constants, crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import { InitdataError } from "./initdata-error.ts";
import { maxCompressedBytes, maxDocumentBytes } from "./limits.ts";

const magic = [0x1f, 0x8b, 0x08] as const;
const headerBytes = 10;
const trailerBytes = 8;
const flag = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/** Whether the bytes begin as a gzip stream does. */
export function looksLikeGzip(bytes: Uint8Array): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/**
 * Decompresses a gzip stream (RFC 1952) of exactly one member with nothing behind it. Readers differ in what they make of more
 * (spec/initdata.md 4.1), so one digest could stand for two documents (threat model row 86).
 *
 * @returns at most {@link maxDocumentBytes} bytes, in a buffer of their own
 * @throws InitdataError
 */
export function gunzip(bytes: Uint8Array): Uint8Array {
  if (bytes.length > maxCompressedBytes) throw gzipError(`longer than ${maxCompressedBytes} bytes`);
  if (!looksLikeGzip(bytes) || bytes.length < headerBytes + trailerBytes) throw gzipError("not a gzip stream");
  const body = bytes.subarray(bodyOffset(bytes));
  const { content, consumed } = inflate(body);
  const trailer = body.subarray(consumed);
  if (trailer.length < trailerBytes) throw gzipError("truncated");
  if (trailer.length > trailerBytes) throw gzipError("data after the first member; send a single stream");
  const view = new DataView(trailer.buffer, trailer.byteOffset);
  if (view.getUint32(0, true) !== crc32(content) || view.getUint32(4, true) !== content.length)
    throw gzipError("checksum mismatch");
  return content;
}

/** Compresses to a gzip stream whose bytes depend on nothing but the input: no time, no name. */
export function gzip(bytes: Uint8Array): Uint8Array {
  // Level 9 says so in the header (RFC 1952 2.3.1: extra flags 2); system 3 is Unix.
  const header = Uint8Array.of(...magic, 0, 0, 0, 0, 0, 2, 3);
  const trailer = new DataView(new ArrayBuffer(trailerBytes));
  trailer.setUint32(0, crc32(bytes), true);
  trailer.setUint32(4, bytes.length, true);
  const body = deflateRawSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  return new Uint8Array(Buffer.concat([header, body, new Uint8Array(trailer.buffer)]));
}

function bodyOffset(bytes: Uint8Array): number {
  const flags = bytes[3] ?? 0;
  if ((flags & flag.reserved) !== 0) throw gzipError("reserved flags are set");
  let offset = headerBytes;
  if ((flags & flag.extra) !== 0) offset += 2 + (bytes[offset] ?? 0) + (bytes[offset + 1] ?? 0) * 256;
  for (const text of [flag.name, flag.comment]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, offset);
    if (end < 0) throw gzipError("truncated");
    offset = end + 1;
  }
  return (flags & flag.headerCrc) === 0 ? offset : offset + 2;
}

function inflate(body: Uint8Array): { readonly content: Uint8Array; readonly consumed: number } {
  try {
    // With `info`, the result also has the engine; the type definitions know the plain result only.
    const { buffer, engine } = inflateRawSync(body, { maxOutputLength: maxDocumentBytes, info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    return { content: new Uint8Array(buffer), consumed: engine.bytesWritten };
  } catch (cause) {
    if (cause instanceof RangeError) throw gzipError(`decompresses to more than ${maxDocumentBytes} bytes`, cause);
    throw gzipError("damaged", cause);
  }
}

function gzipError(problem: string, cause?: unknown): InitdataError {
  return new InitdataError("gzip", problem, cause);
}
