import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { libc } from "./libc.ts";
import { isErrno, lastError } from "./system-error.ts";

/** How long to wait before a full terminal is tried again, in milliseconds. */
const retryMs = 10;

/** Bytes written before the rest of the program gets its turn. */
const turnBytes = 4096;

/**
 * A stream to the input of a terminal that never blocks this thread. Node's own terminal streams do as soon as nobody reads from
 * the terminal, and a host could stop the whole agent by typing into one.
 *
 * @param fd master side of a pseudo terminal; made non-blocking, not closed
 * @param isOpen tells whether the descriptor still is that terminal's
 */
export function openTerminalInput(fd: number, isOpen: () => boolean): Writable {
  makeNonBlocking(fd);
  const stream = new Writable({
    write: (bytes: Buffer, _encoding, done) => {
      writeAll(fd, bytes, () => stream.destroyed || !isOpen()).then(() => done(), done);
    },
  });
  return stream;
}

async function writeAll(fd: number, bytes: Uint8Array, isClosed: () => boolean): Promise<void> {
  for (let written = 0; ; ) {
    if (isClosed()) throw new Error("the terminal is closed");
    const count = writeAvailable(fd, bytes.subarray(written, written + turnBytes));
    written += count;
    if (written === bytes.byteLength) return;
    await delay(count === 0 ? retryMs : 0);
  }
}

/** Writes as much as the terminal takes now. @returns how many bytes that was */
function writeAvailable(fd: number, bytes: Uint8Array): number {
  const count = Number(libc.write(fd, bytes, BigInt(bytes.byteLength)));
  if (count >= 0) return count;
  const error = lastError("write");
  if (isErrno(error, "EAGAIN", "EINTR")) return 0;
  throw error;
}

function makeNonBlocking(fd: number): void {
  const F_GETFL = 3;
  const F_SETFL = 4;
  const O_NONBLOCK = 0o4000;
  const flags = libc.fcntl(fd, F_GETFL, 0n);
  if (flags < 0 || libc.fcntl(fd, F_SETFL, BigInt(flags | O_NONBLOCK)) < 0) throw lastError("fcntl");
}
