import { GuestError } from "../../core/errors.ts";

/** Header of a message: u16 major, u16 minor, u32 type, u32 total size, u32 error; all little-endian. */
const headerBytes = 16;
const majorVersion = 1;
const quoteRequest = 0;
const quoteResponse = 1;
const maxQuoteBytes = 64 * 1024;
const maxIdBytes = 1024;

/** A header and the sizes of id and quote; an error may come without the sizes. */
export const minResponseBytes = headerBytes;
/** The longest answer that is read at all. */
export const maxResponseBytes: number = headerBytes + 8 + maxIdBytes + maxQuoteBytes;

/** A request of the quote generation service: header, u32 report size, u32 size of the list of ids (none), TDREPORT (spec/tee-abi.md 4.5). */
export function encodeQuoteRequest(tdReport: Uint8Array): Uint8Array {
  const message = Buffer.alloc(headerBytes + 8 + tdReport.length);
  message.writeUInt16LE(majorVersion, 0);
  message.writeUInt32LE(quoteRequest, 4);
  message.writeUInt32LE(message.length, 8);
  message.writeUInt32LE(tdReport.length, headerBytes);
  message.set(tdReport, headerBytes + 8);
  return message;
}

/**
 * Takes the quote out of an answer: header, u32 id size, u32 quote size, id, quote. The minor version isn't looked at: services
 * of 1.0 and 1.1 answer alike, and with their own number.
 *
 * @throws GuestError `unavailable` for an error of the service; `internal` for an answer that can't be one
 */
export function parseQuoteResponse(response: Uint8Array): Uint8Array {
  const message = Buffer.from(response.buffer, response.byteOffset, response.byteLength);
  if (message.length < headerBytes) throw malformed("cut off");
  if (message.readUInt16LE(0) !== majorVersion) throw malformed("of another version");
  if (message.readUInt32LE(4) !== quoteResponse) throw malformed("of another type");
  if (message.readUInt32LE(8) !== message.length) throw malformed("of another size than it says");
  const error = message.readUInt32LE(12);
  if (error !== 0) throw new GuestError("unavailable", `it refused with error 0x${error.toString(16)}`);
  if (message.length < headerBytes + 8) throw malformed("cut off");
  const idBytes = message.readUInt32LE(headerBytes);
  const quoteBytes = message.readUInt32LE(headerBytes + 4);
  if (headerBytes + 8 + idBytes + quoteBytes !== message.length) throw malformed("of sizes that don't add up");
  if (quoteBytes === 0) throw malformed("empty");
  return Uint8Array.from(message.subarray(headerBytes + 8 + idBytes));
}

function malformed(how: string): GuestError {
  return new GuestError("internal", `its answer is ${how}`);
}
