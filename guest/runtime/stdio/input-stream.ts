import type { Writable } from "node:stream";
import { GuestError } from "../../core/errors.ts";
import { orAborted } from "../../core/or-aborted.ts";
import { isErrno } from "../../sys/system-error.ts";
import { maxPendingInputBytes } from "../limits.ts";

/** What a process reads. The writer waits while the process doesn't. */
export class InputStream {
  readonly #target: Writable;
  #pendingBytes = 0;

  /** @param target owned by this object from now on */
  constructor(target: Writable) {
    this.#target = target;
    // Each write reports its own failure; without a listener the stream would end the program.
    target.on("error", () => {});
  }

  /**
   * Writes all of the bytes.
   *
   * @throws GuestError `internal`: `Cannot get writer` after the end, `Broken pipe (os error 32)` when nobody reads any more;
   *   `resource-exhausted` when too much waits already; the signal's reason, with the bytes still on their way
   */
  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#target.writableEnded || this.#target.destroyed) throw new GuestError("internal", "Cannot get writer");
    if (this.#pendingBytes + bytes.byteLength > maxPendingInputBytes) {
      throw new GuestError("resource-exhausted", "too much standard input waits for the process");
    }
    this.#pendingBytes += bytes.byteLength;
    const written = this.#write(bytes).finally(() => {
      this.#pendingBytes -= bytes.byteLength;
    });
    await orAborted(written, signal);
  }

  /** Lets the process see the end of its input, after what was written before. Calling again does nothing. */
  close(): void {
    if (!this.#target.destroyed) this.#target.end();
  }

  /** Ends the stream; what the process has not read is lost. */
  destroy(): void {
    this.#target.destroy();
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#target.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else if (isErrno(error, "EPIPE", "EIO"))
          reject(new GuestError("internal", "Broken pipe (os error 32)", { cause: error }));
        else reject(new GuestError("internal", "Cannot get writer", { cause: error }));
      });
    });
  }
}
