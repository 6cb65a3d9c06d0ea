import { Readable, type Writable } from "node:stream";
import tty from "node:tty";
import { libc } from "./libc.ts";
import { isErrno, lastError } from "./system-error.ts";

/** The master side of a pseudo terminal as streams. */
export interface Terminal {
  /** What programs write to the terminal. Ends when the last of them has closed it. */
  readonly output: Readable;
  /** What programs read from the terminal. */
  readonly input: Writable;
  /** Closes the descriptor; programs in the terminal get SIGHUP. */
  close(): void;
}

/** Opens streams on the master side of a pseudo terminal, which they own from now on. */
export function openTerminal(fd: number): Terminal {
  const stream = new tty.ReadStream(fd);
  return { output: terminalOutput(stream), input: stream, close: () => stream.destroy() };
}

/**
 * Sets the size of a terminal; programs in it get SIGWINCH.
 *
 * @param fd either side of the pseudo terminal
 * @param rows @param columns 0 to 65535
 * @throws RangeError for other numbers, SystemError ENOTTY when it's no terminal
 */
export function setWindowSize(fd: number, rows: number, columns: number): void {
  const TIOCSWINSZ = 0x5414n;
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  if (libc.ioctl(fd, TIOCSWINSZ, size) !== 0) throw lastError("ioctl TIOCSWINSZ");
}

/** The kernel ends a terminal's output with EIO, which would be a failure of the stream; here it is the end. */
function terminalOutput(stream: tty.ReadStream): Readable {
  const output = new Readable({
    read: () => stream.resume(),
    destroy: (error, done) => {
      stream.destroy();
      done(error);
    },
  });
  stream.on("data", (bytes: Buffer) => {
    if (!output.push(bytes)) stream.pause();
  });
  stream.on("error", (error) => {
    if (isErrno(error, "EIO")) output.push(null);
    else output.destroy(error);
  });
  stream.on("end", () => output.push(null));
  stream.on("close", () => {
    if (!output.readableEnded && !stream.errored) output.push(null);
  });
  stream.pause();
  return output;
}
