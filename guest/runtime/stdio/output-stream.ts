import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { drainTimeoutMs, maxDrainBytes, maxReadBytes } from "../limits.ts";
import { Mutex } from "../mutex.ts";

const nothing: Uint8Array = new Uint8Array();

/**
 * What a process prints, pulled by the reader: with nobody reading, the process waits as soon as its pipe is full
 * (spec/agent-rpc.md 7.8). All that it printed before its exit can be read, however late; after that there is nothing, for ever
 * (7.2).
 */
export class OutputStream {
  readonly #source: Readable;
  readonly #reads = new Mutex();
  /** Read ahead after the exit because others still hold the pipe. */
  #tail: Buffer[] = [];
  /** Bytes that have left the source, to readers and into the tail. */
  #takenBytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  #drainTimer: NodeJS.Timeout | undefined;

  /** @param source in paused mode; owned by this object from now on */
  constructor(source: Readable) {
    this.#source = source;
    const wake = (): void => this.#wake?.();
    const end = (): void => {
      this.#ended = true;
      clearTimeout(this.#drainTimer);
      wake();
    };
    source.on("readable", wake);
    source.on("end", end);
    source.on("close", end);
    // A pipe or terminal that fails has no more to say; the process itself tells how it ended.
    source.on("error", end);
  }

  /** True when there is nothing more to read. */
  get ended(): boolean {
    return this.#ended && this.#tail.length === 0;
  }

  /**
   * The next bytes; empty at the end. Concurrent reads are served in order and get different bytes; one that is given up takes
   * none.
   *
   * @param length most bytes wanted; 0 gives none at once
   * @throws the signal's reason
   */
  read(length: number, signal: AbortSignal): Promise<Uint8Array> {
    if (length === 0) return Promise.resolve(nothing);
    return this.#reads.run(() => this.#next(Math.min(length, maxReadBytes), signal));
  }

  /** To be called at the exit of the process. Descendants that hold the pipe are not waited for much longer. */
  processExited(): void {
    if (this.#ended || this.#drainTimer !== undefined) return;
    this.#drainTimer = setTimeout(() => void this.#drain(), drainTimeoutMs);
  }

  /** Ends the stream; what was not read is lost. */
  close(): void {
    clearTimeout(this.#drainTimer);
    this.#tail = [];
    this.#source.destroy();
  }

  async #next(length: number, signal: AbortSignal): Promise<Uint8Array> {
    for (;;) {
      signal.throwIfAborted();
      const bytes = this.#take(length);
      if (bytes !== undefined) return bytes;
      if (this.#ended) return nothing;
      await this.#change(signal);
    }
  }

  #take(length: number): Uint8Array | undefined {
    const [first] = this.#tail;
    if (first !== undefined) {
      if (first.length <= length) this.#tail.shift();
      else this.#tail[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const available = Math.min(length, this.#source.readableLength);
    // Asking for nothing is what makes a stream go on reading.
    return this.#takeFromSource(available === 0 ? undefined : available);
  }

  #takeFromSource(length?: number): Buffer | undefined {
    const bytes: Buffer | null = this.#source.read(length);
    this.#takenBytes += bytes?.length ?? 0;
    return bytes ?? undefined;
  }

  /** Waits until there may be something new. */
  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    return promise.finally(() => {
      this.#wake = undefined;
      signal.removeEventListener("abort", wake);
    });
  }

  /** Takes what is in the pipe now, up to a limit, and lets go of it. Readers may take their share meanwhile. */
  async #drain(): Promise<void> {
    const limit = this.#takenBytes + maxDrainBytes;
    for (let empty = false; !empty && !this.#ended && this.#takenBytes < limit; ) {
      const before = this.#takenBytes;
      const bytes = this.#takeFromSource();
      if (bytes !== undefined) this.#tail.push(bytes);
      // Pipes are looked at between this turn of the event loop and the next: what nothing came from then is empty.
      await nextTurn();
      empty = this.#takenBytes === before && this.#source.readableLength === 0;
    }
    this.#source.destroy();
  }
}
