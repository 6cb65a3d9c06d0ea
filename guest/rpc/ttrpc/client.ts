import type { Duplex } from "node:stream";
import { GuestError, messageOf } from "../../core/errors.ts";
import { Request, Response } from "../messages/ttrpc.ts";
import type { CallOptions, MessageInit, MethodDefinition, RpcClient } from "../method.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import { encodeMessage } from "../protobuf/encode.ts";
import { errorOfStatus } from "../status.ts";
import { deadlineExceeded, startDeadline } from "./deadline.ts";
import {
  type Frame,
  FrameReader,
  frameHeaderLength,
  frameTypes,
  type OversizedFrame,
  oversizedMessage,
  writeFrameHeader,
} from "./frame.ts";
import { maxFrameLength } from "./limits.ts";

/** Stream ids are 32-bit and can't be used again on a connection. */
const maxStreamId = 0xffff_ffff;

interface PendingCall {
  readonly succeed: (payload: Uint8Array) => void;
  readonly fail: (error: GuestError) => void;
}

/**
 * The client's side of one ttRPC connection. Any number of calls may be under way. A deadline or an abort ends the wait, and
 * the server's late answer is ignored: the protocol has no cancel.
 */
export class TtrpcClient implements RpcClient {
  readonly #stream: Duplex;
  readonly #frames = new FrameReader();
  readonly #pending = new Map<number, PendingCall>();
  #nextStreamId = 1;
  #closed = false;

  /** @param stream a connected socket; it belongs to the client from now on */
  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    // What went wrong makes no difference to the callers: the connection is gone, and `close` says so.
    stream.on("error", () => {});
    stream.on("close", () => this.#end());
  }

  async call<Req, Res>(
    method: MethodDefinition<Req, Res>,
    request: MessageInit<Req>,
    options: CallOptions = {},
  ): Promise<Res> {
    const payload = encodeMessage(method.request, request);
    const response = await this.#exchange(method, payload, options);
    return decodeMessage(method.response, response, { unknownFields: "ignore" });
  }

  async close(): Promise<void> {
    if (this.#stream.closed) return;
    const closed = new Promise<void>((resolve) => this.#stream.once("close", () => resolve()));
    this.#stream.destroy();
    await closed;
  }

  #exchange(method: MethodDefinition, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { signal, timeoutMs = 0, metadata = {} } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw cancelled(signal);
      const timeoutNano = BigInt(Math.round(timeoutMs * 1_000_000));
      const streamId = this.#send({
        service: method.service,
        method: method.name,
        payload,
        timeout_nano: timeoutNano,
        metadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      });
      const onAbort = () => pending.fail(cancelled(signal));
      const stopDeadline =
        timeoutNano > 0n ? startDeadline(timeoutNano, () => pending.fail(deadlineExceeded())) : () => {};
      const settle = () => {
        this.#pending.delete(streamId);
        stopDeadline();
        signal?.removeEventListener("abort", onAbort);
      };
      const pending: PendingCall = {
        succeed: (response) => {
          settle();
          resolve(response);
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort);
      this.#pending.set(streamId, pending);
    });
  }

  /** Takes the next id and writes the frame in one step, since the ids on the wire have to rise. */
  #send(request: MessageInit<Request>): number {
    if (this.#closed || this.#nextStreamId > maxStreamId) throw closedError();
    const frame = encodeMessage(Request, request, frameHeaderLength);
    const length = frame.byteLength - frameHeaderLength;
    if (length > maxFrameLength) throw new GuestError("resource-exhausted", oversizedMessage(length));
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    writeFrameHeader(frame, streamId, frameTypes.request);
    this.#stream.write(frame);
    return streamId;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.read(chunk)) this.#handleFrame(frame);
    } catch {
      // The peer speaks something else. The callers learn it as the loss of the connection, which it is.
      this.#stream.destroy();
    }
  }

  #handleFrame(frame: Frame | OversizedFrame): void {
    const pending = this.#pending.get(frame.streamId);
    if (pending === undefined) return;
    try {
      if (frame.kind === "oversized") throw new GuestError("resource-exhausted", oversizedMessage(frame.length));
      if (frame.type !== frameTypes.response)
        throw new GuestError("internal", "unexpected message type: protocol error");
      const { status, payload } = decodeMessage(Response, frame.data, { unknownFields: "ignore", bytesAsViews: true });
      if (status !== null && status.code !== 0) throw errorOfStatus(status);
      pending.succeed(payload);
    } catch (error) {
      pending.fail(error instanceof GuestError ? error : new GuestError("internal", messageOf(error)));
    }
  }

  #end(): void {
    this.#closed = true;
    for (const { fail } of [...this.#pending.values()]) fail(closedError());
  }
}

/** The text is what Go clients say; shims take it as the end of the sandbox. */
function closedError(): GuestError {
  return new GuestError("unavailable", "ttrpc: closed");
}

function cancelled(signal: AbortSignal | undefined): GuestError {
  return new GuestError("cancelled", "context canceled", { cause: signal?.reason });
}
