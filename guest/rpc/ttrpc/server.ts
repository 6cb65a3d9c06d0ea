import type { Duplex } from "node:stream";
import { GuestError, messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { MemoryBudget } from "../memory-budget.ts";
import { type KeyValue, Request, Response } from "../messages/ttrpc.ts";
import type { MessageInit, MethodTable } from "../method.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import { encodeMessage } from "../protobuf/encode.ts";
import { RunningCall } from "../running-call.ts";
import { statusOf } from "../status.ts";
import { deadlineExceeded, startDeadline } from "./deadline.ts";
import {
  dataFlags,
  type Frame,
  FrameReader,
  frameHeaderLength,
  frameTypes,
  oversizedMessage,
  writeFrameHeader,
} from "./frame.ts";
import { freeShareBytes, maxFrameLength, type TtrpcLimits } from "./limits.ts";

/** What a ttRPC connection is served with. */
export interface TtrpcServerOptions {
  readonly registry: MethodTable;
  readonly limits: TtrpcLimits;
  /** Shared by the connections of a port. */
  readonly memory: MemoryBudget;
  /** Numbers the connection, for the log. */
  readonly connection: number;
  readonly log: Log;
}

/** A call whose invocation has not ended; it may have been answered already, by its deadline. */
interface OpenCall {
  readonly call: RunningCall;
  /** Of the whole envelope: its metadata lives as long as the call. */
  readonly requestBytes: number;
  answered: boolean;
  stopDeadline: () => void;
}

/**
 * The server's side of one ttRPC connection (spec/ttrpc.md). Calls run concurrently, each gets exactly one answer, and a
 * fault of one stream leaves the others alone. Bytes that can't be ttRPC close the connection. Closing it aborts the signals
 * of its calls.
 */
export class TtrpcServerConnection {
  readonly #stream: Duplex;
  readonly #options: TtrpcServerOptions;
  readonly #frames = new FrameReader();
  readonly #calls = new Map<number, OpenCall>();
  readonly #wake = () => this.#updateFlow();
  #lastStreamId = 0;
  #frameTimer: NodeJS.Timeout | undefined;
  #heldBytes = 0;
  #requestBytes = 0;
  #writeBlocked = false;
  #closed = false;

  /** @param stream a connected socket, of which nothing was read or all that was read was put back */
  constructor(stream: Duplex, options: TtrpcServerOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("drain", () => this.#setWriteBlocked(false));
    stream.on("error", (error) => options.log.debug("ttRPC connection failed", { error }));
    stream.on("close", () => this.#end());
  }

  /** Sends what is waiting, answers nothing more and closes the connection. */
  close(): void {
    this.#end();
    this.#stream.end(() => this.#stream.destroy());
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      let completed = false;
      for (const frame of this.#frames.read(chunk)) {
        completed = true;
        if (frame.kind === "frame") this.#handleFrame(frame);
        else if (frame.type === frameTypes.request) {
          this.#refuse(frame.streamId, new GuestError("resource-exhausted", oversizedMessage(frame.length)));
        }
        if (this.#closed) return;
      }
      this.#watchFrame(completed);
      this.#accountMemory();
    } catch (error) {
      this.#drop(messageOf(error));
    }
  }

  #handleFrame(frame: Frame): void {
    const { streamId, type } = frame;
    if (type !== frameTypes.request && type !== frameTypes.data) return;
    if (streamId % 2 === 0) this.#refuse(streamId, invalid("StreamID must be odd for client initiated streams"));
    else if (type === frameTypes.data) this.#handleData(frame);
    else if (streamId <= this.#lastStreamId) {
      this.#refuse(streamId, invalid("StreamID cannot be re-used and must increment"));
    } else {
      this.#lastStreamId = streamId;
      this.#handleRequest(frame);
    }
  }

  /** No method streams, so data can only end a stream that was opened for streaming or be wrong. */
  #handleData({ streamId, flags, data }: Frame): void {
    const open = this.#calls.get(streamId);
    if (open === undefined || open.answered) this.#refuse(streamId, invalid("StreamID is no longer active"));
    else if ((flags & dataFlags.remoteClosed) !== 0 && data.byteLength > 0) {
      this.#cutShort(streamId, open, invalid("data close message cannot include data"));
    }
  }

  #handleRequest({ streamId, data }: Frame): void {
    if (this.#calls.size >= this.#options.limits.maxConcurrentCalls) {
      this.#refuse(streamId, new GuestError("resource-exhausted", "too many calls at once on this connection"));
      return;
    }
    try {
      const request = decodeEnvelope(data);
      if (request.timeout_nano < 0n) throw deadlineExceeded();
      const method = this.#options.registry.find(request.service, request.method);
      this.#start(streamId, request, data.byteLength, (call) => method.invoke(request.payload, call));
    } catch (error) {
      this.#refuse(streamId, error);
    }
  }

  #start(
    streamId: number,
    request: Request,
    requestBytes: number,
    invoke: (call: RunningCall) => Promise<Uint8Array>,
  ): void {
    const { connection, log } = this.#options;
    const call = new RunningCall({ metadata: metadataOf(request.metadata), protocol: "ttrpc", connection, log });
    const open: OpenCall = { call, requestBytes, answered: false, stopDeadline: () => {} };
    if (request.timeout_nano > 0n) {
      open.stopDeadline = startDeadline(request.timeout_nano, () => this.#cutShort(streamId, open, deadlineExceeded()));
    }
    this.#calls.set(streamId, open);
    this.#requestBytes += requestBytes;
    invoke(call).then(
      (payload) => this.#finish(streamId, open, { payload }),
      (error: unknown) => this.#finish(streamId, open, { status: statusOf(error) }),
    );
  }

  /** Answers before the handler does, which is told to stop. It counts as running until it has. */
  #cutShort(streamId: number, open: OpenCall, reason: GuestError): void {
    this.#answer(streamId, open, { status: statusOf(reason) });
    open.call.abort(reason);
  }

  #finish(streamId: number, open: OpenCall, response: MessageInit<Response>): void {
    open.stopDeadline();
    this.#calls.delete(streamId);
    this.#requestBytes -= open.requestBytes;
    this.#answer(streamId, open, response);
    this.#accountMemory();
  }

  #answer(streamId: number, open: OpenCall, response: MessageInit<Response>): void {
    if (open.answered) return;
    open.answered = true;
    this.#send(streamId, response);
  }

  #refuse(streamId: number, error: unknown): void {
    this.#send(streamId, { status: statusOf(error) });
  }

  #send(streamId: number, response: MessageInit<Response>): void {
    if (this.#closed) return;
    const frame = encodeMessage(Response, response, frameHeaderLength);
    const length = frame.byteLength - frameHeaderLength;
    if (length > maxFrameLength) {
      this.#refuse(streamId, new GuestError("resource-exhausted", oversizedMessage(length)));
      return;
    }
    writeFrameHeader(frame, streamId, frameTypes.response);
    if (!this.#stream.write(frame)) this.#setWriteBlocked(true);
    if (this.#stream.writableLength > this.#options.limits.maxQueuedBytes) {
      this.#drop("the client does not read its answers");
    }
  }

  /** A client that does not read gets no more requests read. */
  #setWriteBlocked(blocked: boolean): void {
    this.#writeBlocked = blocked;
    this.#updateFlow();
  }

  #accountMemory(): void {
    const held = this.#closed ? 0 : this.#frames.bufferedBytes + this.#requestBytes;
    if (held === this.#heldBytes) return;
    this.#options.memory.change(held - this.#heldBytes);
    this.#heldBytes = held;
    this.#updateFlow();
  }

  #updateFlow(): void {
    if (this.#closed) return;
    const { memory } = this.#options;
    const memoryBlocked = memory.exhausted && this.#heldBytes > freeShareBytes;
    if (memoryBlocked) memory.onRoom(this.#wake);
    if (memoryBlocked || this.#writeBlocked) this.#stream.pause();
    else this.#stream.resume();
  }

  /** Runs a timer from the first byte of each frame to its last. */
  #watchFrame(completed: boolean): void {
    if (completed || !this.#frames.withinFrame) {
      clearTimeout(this.#frameTimer);
      this.#frameTimer = undefined;
    }
    if (this.#frames.withinFrame) {
      const { frameTimeoutMs } = this.#options.limits;
      this.#frameTimer ??= setTimeout(() => this.#drop("a frame was not completed in time"), frameTimeoutMs);
    }
  }

  /** Closes the connection of a client that asks for too much, or for what is no ttRPC: nothing more of it is handled. */
  #drop(reason: string): void {
    this.#options.log.warn("connection closed", { reason });
    this.#end();
    this.#stream.destroy();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#frameTimer);
    this.#accountMemory();
    this.#options.memory.forget(this.#wake);
    for (const open of this.#calls.values()) {
      open.stopDeadline();
      open.call.abort(new GuestError("cancelled", "the connection was closed"));
    }
  }
}

function invalid(message: string): GuestError {
  return new GuestError("invalid-argument", message);
}

function decodeEnvelope(data: Uint8Array): Request {
  try {
    return decodeMessage(Request, data, { unknownFields: "ignore", bytesAsViews: true });
  } catch (error) {
    throw new GuestError("invalid-argument", `unmarshal request error: ${messageOf(error)}`);
  }
}

/** Keys are lower-cased; a key may come several times. */
function metadataOf(pairs: readonly KeyValue[]): ReadonlyMap<string, readonly string[]> {
  const metadata = new Map<string, string[]>();
  for (const { key, value } of pairs) {
    const name = key.toLowerCase();
    const values = metadata.get(name);
    if (values === undefined) metadata.set(name, [value]);
    else values.push(value);
  }
  return metadata;
}
