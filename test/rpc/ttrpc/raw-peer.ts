import { once } from "node:events";
import type { Duplex } from "node:stream";
import { Request, Response } from "../../../guest/rpc/messages/ttrpc.ts";
import type { MessageInit } from "../../../guest/rpc/method.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { FrameReader, frameHeaderLength, frameTypes, writeFrameHeader } from "../../../guest/rpc/ttrpc/frame.ts";

/** What a peer has answered on a stream. */
export interface Answer {
  readonly streamId: number;
  readonly code: number;
  readonly message: string;
  readonly payload: Buffer;
}

/** A client that sends what it is told, right or wrong, and notes every frame that comes back. */
export class RawPeer {
  readonly stream: Duplex;
  readonly answers: Answer[] = [];
  readonly closed: Promise<unknown>;
  readonly #arrivals = new EventTarget();

  constructor(stream: Duplex) {
    this.stream = stream;
    this.closed = once(stream, "close");
    const frames = new FrameReader();
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => {
      for (const frame of frames.read(chunk)) {
        if (frame.kind === "oversized" || frame.type !== frameTypes.response) throw new Error("unexpected frame");
        const { status, payload } = decodeMessage(Response, frame.data, { unknownFields: "reject" });
        const { code = 0, message = "" } = status ?? {};
        this.answers.push({ streamId: frame.streamId, code, message, payload: Buffer.from(payload) });
      }
      this.#arrivals.dispatchEvent(new Event("answer"));
    });
  }

  /** Sends bytes given in hex; blanks and bars are left out. */
  sendHex(hex: string): void {
    this.stream.write(Buffer.from(hex.replaceAll(/[\s|]/g, ""), "hex"));
  }

  sendFrame(streamId: number, type: number, flags: number, data: Uint8Array): void {
    const frame = Buffer.concat([Buffer.alloc(frameHeaderLength), data]);
    writeFrameHeader(frame, streamId, type, flags);
    this.stream.write(frame);
  }

  sendRequest(streamId: number, request: MessageInit<Request>): void {
    this.sendFrame(streamId, frameTypes.request, 0, encodeMessage(Request, request));
  }

  /** Waits until there are that many answers. */
  async receive(count: number): Promise<readonly Answer[]> {
    while (this.answers.length < count) await once(this.#arrivals, "answer");
    return this.answers;
  }
}
