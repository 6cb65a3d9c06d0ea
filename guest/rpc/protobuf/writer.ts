const initialCapacity = 256;

/** A string of this many UTF-16 units or fewer is at most 127 bytes of UTF-8, whose length takes one byte. */
const oneByteLengthUnits = 42;

/** Writes the primitives of the protobuf encoding into a growing buffer. The values were checked by the caller. */
export class WireWriter {
  #bytes: Buffer;
  #position: number;
  readonly #headroom: number;

  /** @param headroom bytes left free in front of the message, for a header that is known afterwards */
  constructor(headroom: number) {
    this.#bytes = Buffer.allocUnsafe(initialCapacity + headroom);
    this.#headroom = headroom;
    this.#position = headroom;
  }

  /** What was written, after the headroom, which is zero. */
  finish(): Buffer {
    return this.#bytes.fill(0, 0, this.#headroom).subarray(0, this.#position);
  }

  writeUint32(value: number): void {
    this.#reserve(5);
    while (value > 0x7f) {
      this.#bytes[this.#position++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.#bytes[this.#position++] = value;
  }

  /** Negative numbers are extended to 64 bits and take ten bytes. */
  writeInt32(value: number): void {
    if (value >= 0) this.writeUint32(value);
    else this.writeUint64(BigInt.asUintN(64, BigInt(value)));
  }

  writeSint32(value: number): void {
    this.writeUint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  writeUint64(value: bigint): void {
    this.#reserve(10);
    let low = Number(value & 0xffff_ffffn);
    let high = Number(value >> 32n);
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#position++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#position++] = low;
  }

  writeSint64(value: bigint): void {
    this.writeUint64(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  writeFixed32(value: number): void {
    this.#reserve(4);
    this.#position = this.#bytes.writeUInt32LE(value, this.#position);
  }

  writeFixed64(value: bigint): void {
    this.#reserve(8);
    this.#position = this.#bytes.writeBigUInt64LE(value, this.#position);
  }

  writeFloat(value: number): void {
    this.#reserve(4);
    this.#position = this.#bytes.writeFloatLE(value, this.#position);
  }

  writeDouble(value: number): void {
    this.#reserve(8);
    this.#position = this.#bytes.writeDoubleLE(value, this.#position);
  }

  writeString(value: string): void {
    if (value.length <= oneByteLengthUnits) {
      this.#reserve(1 + 3 * value.length);
      const length = this.#bytes.write(value, this.#position + 1);
      this.#bytes[this.#position] = length;
      this.#position += 1 + length;
      return;
    }
    const length = Buffer.byteLength(value);
    this.writeUint32(length);
    this.#reserve(length);
    this.#position += this.#bytes.write(value, this.#position);
  }

  writeBytes(value: Uint8Array): void {
    this.writeUint32(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#position);
    this.#position += value.byteLength;
  }

  /**
   * Writes what `content` writes with its length in front. One byte is kept free for the length; longer content, which
   * is rarer, is moved up.
   */
  writeLengthDelimited(content: () => void): void {
    this.#reserve(1);
    const start = ++this.#position;
    content();
    const end = this.#position;
    const length = end - start;
    this.#position = start - 1;
    if (length > 0x7f) {
      const sizeOfLength = Math.ceil((32 - Math.clz32(length)) / 7);
      this.#position = end;
      this.#reserve(sizeOfLength - 1);
      this.#bytes.copyWithin(start - 1 + sizeOfLength, start, end);
      this.#position = start - 1;
    }
    this.writeUint32(length);
    this.#position += length;
  }

  /** Makes room for `length` more bytes; doubling keeps the copying linear. */
  #reserve(length: number): void {
    const needed = this.#position + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#position);
    this.#bytes = larger;
  }
}
