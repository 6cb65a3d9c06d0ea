import { gunzip, gzip } from "./gzip.ts";
import { InitdataError } from "./initdata-error.ts";
import { maxCompressedBytes } from "./limits.ts";

/** The magic that a block device with initdata starts with. */
const magic = Buffer.from("initdata", "ascii");
const sectorBytes = 512;

/** Bytes before the gzip stream: the magic, and the stream's length as unsigned 64-bit little-endian number. */
export const carrierHeaderBytes = 16;

/** Whether a block device says that it is a carrier; whether it is a sound one, {@link readCarrier} finds out. */
export function hasCarrierMagic(start: Uint8Array): boolean {
  return magic.equals(start.subarray(0, magic.length));
}

/** Whether bytes that may as well be a text are those of a carrier. */
export function isCarrier(start: Uint8Array): boolean {
  return start.length >= carrierHeaderBytes && hasCarrierMagic(start) && hasPlausibleLength(start);
}

/** A text that happens to start with the magic has no zero byte in the upper half of the length. */
function hasPlausibleLength(start: Uint8Array): boolean {
  return start.subarray(12, carrierHeaderBytes).some((byte) => byte === 0 || byte >= 0x80);
}

/**
 * The length of the gzip stream that a header announces, checked before anything is read or allocated (threat model row 86).
 *
 * @param header the device's first {@link carrierHeaderBytes} bytes
 * @param deviceBytes the device's size
 * @throws InitdataError naming `block device`
 */
export function carrierStreamBytes(header: Uint8Array, deviceBytes: number): number {
  if (!isCarrier(header)) throw carrierError("does not start with the magic `initdata` and a length");
  const length = new DataView(header.buffer, header.byteOffset).getBigUint64(8, true);
  if (length === 0n) throw carrierError("is empty");
  if (length > BigInt(maxCompressedBytes)) throw carrierError(`announces more than ${maxCompressedBytes} bytes`);
  if (length > BigInt(deviceBytes - carrierHeaderBytes)) throw carrierError("is shorter than it announces");
  return Number(length);
}

/**
 * The document on a block device as Kata attaches it on bare metal (spec/initdata.md 5).
 *
 * @param device the device's bytes, at least up to the end of the stream
 * @throws InitdataError
 */
export function readCarrier(device: Uint8Array): Uint8Array {
  const length = carrierStreamBytes(device.subarray(0, carrierHeaderBytes), device.length);
  return gunzip(device.subarray(carrierHeaderBytes, carrierHeaderBytes + length));
}

/** The image of a block device that carries the document, padded to whole sectors. */
export function encodeCarrier(document: Uint8Array): Uint8Array {
  const stream = gzip(document);
  const image = new Uint8Array(Math.ceil((carrierHeaderBytes + stream.length) / sectorBytes) * sectorBytes);
  image.set(magic);
  new DataView(image.buffer).setBigUint64(8, BigInt(stream.length), true);
  image.set(stream, carrierHeaderBytes);
  return image;
}

function carrierError(problem: string): InitdataError {
  return new InitdataError("block device", problem);
}
