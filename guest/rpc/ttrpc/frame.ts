import { maxFrameLength } from "./limits.ts";

/** Bytes of a frame's header: u32 length of the data, u32 stream id, u8 type, u8 flags, big-endian (spec/ttrpc.md 2). */
export const frameHeaderLength = 10;

/** Message types (spec/ttrpc.md 2.1). */
export const frameTypes = { request: 1, response: 2, data: 3 } as const;

/** Flags of data frames (spec/ttrpc.md 2.2). */
export const dataFlags = { remoteClosed: 1, noData: 4 } as const;

/** A frame that arrived. `data` may be a view of the chunk that it arrived in. */
export interface Frame {
  readonly kind: "frame";
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

/** A frame whose data is longer than the protocol allows; the data is passed over. */
export interface OversizedFrame {
  readonly kind: "oversized";
  readonly streamId: number;
  readonly type: number;
  readonly length: number;
}

/** The bytes are no ttRPC: the first byte of every frame is 0, since no length needs it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** What the Go implementation says of a frame that is too long. */
export function oversizedMessage(length: number): string {
  return `message length ${length} exceed maximum message size of ${maxFrameLength}`;
}

/**
 * Writes a header into the first {@link frameHeaderLength} bytes of a frame.
 *
 * @param frame the header's place followed by the data
 */
export function writeFrameHeader(frame: Uint8Array, streamId: number, type: number, flags = 0): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frameHeaderLength);
  view.setUint32(0, frame.byteLength - frameHeaderLength);
  view.setUint32(4, streamId);
  view.setUint8(8, type);
  view.setUint8(9, flags);
}

/**
 * Cuts a byte stream into frames, however it is chunked. Allocates as bytes arrive and never by what a header claims, and
 * at most twice of what arrived.
 */
export class FrameReader {
  /** The frame that is incomplete; the bytes from {@link FrameReader.bufferedBytes} on are free. */
  #pending: Buffer = Buffer.alloc(frameHeaderLength);
  #bufferedBytes = 0;
  /** Bytes that are left of the data of an oversized frame. */
  #skipBytes = 0;

  /** Bytes held of a frame that is not complete. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** True between the first and the last byte of a frame. */
  get withinFrame(): boolean {
    return this.#bufferedBytes > 0 || this.#skipBytes > 0;
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @returns the frames that they complete
   * @throws FrameError when they can't be ttRPC; the stream is of no use any more
   */
  *read(chunk: Buffer): Generator<Frame | OversizedFrame, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#skipBytes > 0) {
        rest = this.#skip(rest);
        continue;
      }
      if (this.#bufferedBytes > 0 || rest.length < frameHeaderLength) {
        rest = this.#gather(rest, frameHeaderLength);
        if (this.#bufferedBytes < frameHeaderLength) return;
      }
      const header = this.#bufferedBytes > 0 ? this.#pending : rest;
      const length = parseLength(header);
      if (length > maxFrameLength) {
        rest = this.#beginSkipping(rest, length);
        yield { kind: "oversized", streamId: header.readUInt32BE(4), type: header.readUInt8(8), length };
        continue;
      }
      const frameLength = frameHeaderLength + length;
      if (this.#bufferedBytes === 0 && rest.length >= frameLength) {
        yield parseFrame(rest.subarray(0, frameLength));
        rest = rest.subarray(frameLength);
        continue;
      }
      rest = this.#gather(rest, frameLength);
      if (this.#bufferedBytes < frameLength) return;
      yield this.#takePending();
    }
  }

  /**
   * Moves bytes to the pending frame until it has `wanted` bytes.
   *
   * @returns what is left
   */
  #gather(bytes: Buffer, wanted: number): Buffer {
    const taken = Math.min(Math.max(wanted - this.#bufferedBytes, 0), bytes.length);
    const filled = this.#bufferedBytes + taken;
    if (filled > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(wanted, Math.max(filled, 2 * this.#pending.length)));
      this.#pending.copy(larger, 0, 0, this.#bufferedBytes);
      this.#pending = larger;
    }
    bytes.copy(this.#pending, this.#bufferedBytes, 0, taken);
    this.#bufferedBytes = filled;
    return bytes.subarray(taken);
  }

  #takePending(): Frame {
    const frame = parseFrame(this.#pending.subarray(0, this.#bufferedBytes));
    this.#pending = Buffer.alloc(frameHeaderLength);
    this.#bufferedBytes = 0;
    return frame;
  }

  /** @returns what is left after the header, wherever it is */
  #beginSkipping(rest: Buffer, length: number): Buffer {
    this.#skipBytes = length;
    if (this.#bufferedBytes === 0) return rest.subarray(frameHeaderLength);
    this.#bufferedBytes = 0;
    return rest;
  }

  #skip(bytes: Buffer): Buffer {
    const skipped = Math.min(this.#skipBytes, bytes.length);
    this.#skipBytes -= skipped;
    return bytes.subarray(skipped);
  }
}

function parseLength(header: Buffer): number {
  if (header.readUInt8(0) !== 0) throw new FrameError("not a ttRPC frame");
  return header.readUInt32BE(0);
}

function parseFrame(bytes: Buffer): Frame {
  return {
    kind: "frame",
    streamId: bytes.readUInt32BE(4),
    type: bytes.readUInt8(8),
    flags: bytes.readUInt8(9),
    data: bytes.subarray(frameHeaderLength),
  };
}
