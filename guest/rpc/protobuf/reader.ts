import { isUtf8 } from "node:buffer";
import { WireError, wireTypes } from "./wire.ts";

const noBytes = new Uint8Array(0);

/** Up to this many bytes a loop finds out faster than a call whether text is ASCII. */
const shortText = 64;

/**
 * Reads the primitives of the protobuf encoding from a range of bytes. Every method advances {@link position} and throws
 * {@link WireError} when the bytes end too early or break the encoding.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #strict: boolean;
  /** Offset of the next byte. */
  position = 0;
  /** Offset after the last byte of the message at hand. */
  end: number;
  /** The two halves of the last varint, as unsigned 32-bit numbers. */
  #low = 0;
  #high = 0;

  /**
   * @param strict refuses numbers that do not fit their type; otherwise they are cut off, as protobuf has it
   */
  constructor(bytes: Uint8Array, strict: boolean) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#strict = strict;
    this.end = bytes.byteLength;
  }

  /** A field's number and wire type, as `number << 3 | type`. */
  readTag(): number {
    this.#readVarint();
    if (this.#high !== 0 || this.#low < 8) throw new WireError("invalid field number");
    return this.#low;
  }

  /**
   * A length prefix.
   *
   * @returns the offset after the bytes that it covers, which is within the message
   */
  readEndOfLengthDelimited(): number {
    this.#readVarint();
    if (this.#high !== 0 || this.#low > this.end - this.position) throw new WireError("length exceeds the message");
    return this.position + this.#low;
  }

  readInt32(): number {
    this.#readVarint();
    const value = this.#low | 0;
    const signExtension = value < 0 ? 0xffff_ffff : 0;
    if (this.#strict && this.#high !== signExtension) throw new WireError("number does not fit 32 bits");
    return value;
  }

  readUint32(): number {
    this.#readVarint();
    if (this.#strict && this.#high !== 0) throw new WireError("number does not fit 32 bits");
    return this.#low;
  }

  readSint32(): number {
    const value = this.readUint32();
    return (value >>> 1) ^ -(value & 1);
  }

  readBool(): boolean {
    this.#readVarint();
    if (this.#strict && (this.#high !== 0 || this.#low > 1)) throw new WireError("boolean is neither 0 nor 1");
    return this.#low !== 0 || this.#high !== 0;
  }

  readInt64(): bigint {
    return BigInt.asIntN(64, this.readUint64());
  }

  readUint64(): bigint {
    this.#readVarint();
    return this.#high === 0 ? BigInt(this.#low) : (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  readSint64(): bigint {
    const value = this.readUint64();
    return (value >> 1n) ^ -(value & 1n);
  }

  readFixed32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  readSfixed32(): number {
    return this.#bytes.readInt32LE(this.#skip(4));
  }

  readFixed64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#skip(8));
  }

  readSfixed64(): bigint {
    return this.#bytes.readBigInt64LE(this.#skip(8));
  }

  readFloat(): number {
    return this.#bytes.readFloatLE(this.#skip(4));
  }

  readDouble(): number {
    return this.#bytes.readDoubleLE(this.#skip(8));
  }

  /** Text with its length prefix; it has to be UTF-8. */
  readString(): string {
    const end = this.readEndOfLengthDelimited();
    const start = this.position;
    this.position = end;
    if (end - start <= shortText && this.#isAscii(start, end)) return this.#bytes.toString("latin1", start, end);
    if (!isUtf8(this.#bytes.subarray(start, end))) throw new WireError("text is not UTF-8");
    return this.#bytes.toString("utf8", start, end);
  }

  /** Bytes with their length prefix, in an array of their own. */
  readBytes(): Uint8Array {
    const view = this.readBytesView();
    return view.byteLength === 0 ? noBytes : new Uint8Array(view);
  }

  /** Bytes with their length prefix, as a view of what is read. */
  readBytesView(): Uint8Array {
    const end = this.readEndOfLengthDelimited();
    const view = this.#bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }

  /** Passes over the value of a field that is not known. */
  skipValue(wireType: number): void {
    if (wireType === wireTypes.varint) this.#readVarint();
    else if (wireType === wireTypes.fixed64) this.#skip(8);
    else if (wireType === wireTypes.lengthDelimited) this.position = this.readEndOfLengthDelimited();
    else if (wireType === wireTypes.fixed32) this.#skip(4);
    else throw new WireError(`wire type ${wireType} is not supported`);
  }

  /** @returns the offset of the bytes passed over */
  #skip(length: number): number {
    const start = this.position;
    if (length > this.end - start) throw new WireError("message is truncated");
    this.position = start + length;
    return start;
  }

  #isAscii(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.#byteAt(i) > 0x7f) return false;
    return true;
  }

  /** Seven bits a byte, the lowest first; at most ten bytes, of which the last holds one bit. */
  #readVarint(): void {
    const first = this.#nextByte();
    this.#high = 0;
    this.#low = first & 0x7f;
    if (first < 0x80) return;
    for (let shift = 7; shift <= 63; shift += 7) {
      const byte = this.#nextByte();
      const bits = byte & 0x7f;
      if (shift < 32) this.#low = (this.#low | (bits << shift)) >>> 0;
      // The fifth byte belongs to both halves.
      if (shift === 28) this.#high = bits >>> 4;
      else if (shift > 28) this.#high = (this.#high | (bits << (shift - 32))) >>> 0;
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) break;
        return;
      }
    }
    throw new WireError("varint is longer than 64 bits");
  }

  #nextByte(): number {
    if (this.position >= this.end) throw new WireError("message is truncated");
    return this.#byteAt(this.position++);
  }

  #byteAt(offset: number): number {
    return this.#bytes[offset] ?? 0;
  }
}
