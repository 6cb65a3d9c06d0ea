import { GuestError } from "../../core/errors.ts";

/** Reads a TPM structure: big-endian, no padding (TPM 2.0 part 2). Every read past the end is an error. */
export class TpmReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;

  /** @param what names the structure in errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  uint8(): number {
    return this.bytes(1).readUInt8();
  }

  uint16(): number {
    return this.bytes(2).readUInt16BE();
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE();
  }

  uint64(): bigint {
    return this.bytes(8).readBigUInt64BE();
  }

  /** The next bytes, copied. @throws GuestError `data-loss` */
  bytes(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.malformed("is cut off");
    const piece = Buffer.from(this.#bytes.subarray(this.#offset, end));
    this.#offset = end;
    return piece;
  }

  /** A TPM2B: 16-bit length, then so many bytes. @throws GuestError `data-loss` */
  sized(): Buffer {
    return this.bytes(this.uint16());
  }

  /** Everything up to the end. */
  rest(): Buffer {
    return this.bytes(this.#bytes.length - this.#offset);
  }

  /** @throws GuestError `data-loss` when something is left */
  end(): void {
    if (this.#offset < this.#bytes.length) throw this.malformed("is longer than it says");
  }

  /** The error for a structure that makes no sense. */
  malformed(reason: string): GuestError {
    return new GuestError("data-loss", `${this.#what} ${reason}`);
  }
}

/** An unsigned integer of one byte. */
export function uint8(value: number): Buffer {
  return Buffer.of(value);
}

/** An unsigned integer of two bytes. */
export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** An unsigned integer of four bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A TPM2B: 16-bit length, then the bytes. */
export function sized(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint16(bytes.length), bytes]);
}
