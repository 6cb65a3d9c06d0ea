import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { formatJson, isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { maxHeaderBytes } from "./limits.ts";

/** A LUKS2 header, read from its primary copy (LUKS2 On-Disk Format 1.1.4, 2.1). */
export interface LuksHeader {
  /** Bytes of the binary header with its JSON area. */
  readonly headerBytes: number;
  readonly metadata: JsonObject;
}

const magic = Buffer.from("4c554b53babe", "hex");

/** struct luks2_hdr_disk, big endian: magic 6, version 2, header size 8, … at 72 the checksum's algorithm, at 448 its 64 bytes. */
const offsets = { version: 6, headerSize: 8, algorithm: 72, position: 256, checksum: 448, json: 4096 } as const;
const checksumField = 64;

/** The sizes that the format knows. */
const headerSizes: readonly bigint[] = [14, 15, 16, 17, 18, 19, 20, 21, 22].map((power) => 1n << BigInt(power));

/** True when a device begins as LUKS does, of whatever version. */
function hasLuksMagic(start: Uint8Array): boolean {
  return magic.equals(start.subarray(0, magic.length));
}

/**
 * Reads the primary header. The secondary is not looked at: a device whose primary is broken has to be repaired by its owner.
 *
 * @param bytes of the device from its beginning, of an untrusted disk
 * @throws GuestError `failed-precondition`
 */
export function readLuksHeader(bytes: Buffer): LuksHeader {
  if (!hasLuksMagic(bytes) || bytes.length < offsets.json) throw refusal("the device has no LUKS header");
  if (bytes.readUInt16BE(offsets.version) !== 2) throw refusal("the device has no LUKS2 header");
  const size = bytes.readBigUInt64BE(offsets.headerSize);
  if (!headerSizes.includes(size) || bytes.readBigUInt64BE(offsets.position) !== 0n || bytes.length < size)
    throw refusal("the LUKS2 header has an impossible size or place");
  const header = bytes.subarray(0, Number(size));
  if (textOf(header.subarray(offsets.algorithm, offsets.algorithm + 32)) !== "sha256")
    throw refusal("the LUKS2 header's checksum is of an unknown kind");
  if (!checksumOf(header).equals(header.subarray(offsets.checksum, offsets.checksum + 32)))
    throw refusal("the LUKS2 header's checksum is wrong");
  return { headerBytes: header.length, metadata: readMetadata(header) };
}

/**
 * A header with its key slots for cryptsetup's `--header`, in which only what was judged is left: the JSON is written anew from the
 * parsed values, so that no two parsers can differ over it, and the secondary header, which nobody has looked at, is wiped.
 *
 * @param bytes of the device that {@link readLuksHeader} has read
 * @param dataOffset where the header and its key slots end
 */
export function rewriteLuksHeader(bytes: Buffer, { headerBytes, metadata }: LuksHeader, dataOffset: number): Buffer {
  if (dataOffset < 2 * headerBytes || dataOffset > Math.min(bytes.length, maxHeaderBytes))
    throw refusal("the LUKS2 header is longer than headers are");
  const copy = Buffer.from(bytes.subarray(0, dataOffset));
  const header = copy.subarray(0, headerBytes);
  const json = Buffer.from(formatJson(metadata));
  if (json.length >= headerBytes - offsets.json) throw refusal("the LUKS2 header's JSON is too long");
  header.fill(0, offsets.json);
  json.copy(header, offsets.json);
  header.fill(0, offsets.checksum, offsets.checksum + checksumField);
  checksumOf(header).copy(header, offsets.checksum);
  copy.fill(0, headerBytes, 2 * headerBytes);
  return copy;
}

/** Of the whole header, with zeros in place of the checksum. */
function checksumOf(header: Buffer): Buffer {
  return createHash("sha256")
    .update(header.subarray(0, offsets.checksum))
    .update(Buffer.alloc(checksumField))
    .update(header.subarray(offsets.checksum + checksumField))
    .digest();
}

function readMetadata(header: Buffer): JsonObject {
  const area = header.subarray(offsets.json);
  const end = area.indexOf(0);
  try {
    const metadata = parseJson(area.subarray(0, end < 0 ? area.length : end), { maxLength: area.length, maxDepth: 16 });
    if (isJsonObject(metadata)) return metadata;
  } catch (cause) {
    throw refusal("the LUKS2 header's JSON is malformed", cause);
  }
  throw refusal("the LUKS2 header's JSON is no object");
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length : end);
}

/** The refusal of a header: the disk is the host's, and nothing on it has been used. */
export function refusal(problem: string, cause?: unknown): GuestError {
  return new GuestError("failed-precondition", problem, { cause });
}
