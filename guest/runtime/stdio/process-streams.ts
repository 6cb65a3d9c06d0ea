import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { ConsoleSocket } from "../../sys/console-socket.ts";
import { closeDescriptor } from "../../sys/descriptor.ts";
import { createPipe, openReadable, openWritable, type Pipe } from "../../sys/pipe.ts";
import { sendSignal } from "../../sys/signal.ts";
import { openTerminal, setWindowSize } from "../../sys/terminal.ts";
import { openTerminalInput } from "../../sys/terminal-input.ts";
import type { ProcessStdio } from "../oci-runtime.ts";
import { InputStream } from "./input-stream.ts";
import { OutputStream } from "./output-stream.ts";

const SIGKILL = 9;

/** The guest's side of a process' standard streams. */
export interface ProcessStreams {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  /** The same as `stdout` for a process in a terminal. */
  readonly stderr: OutputStream;
  /** True when there is nothing more to read. */
  readonly outputEnded: boolean;
  /** Lets the process see the end of its input. */
  closeStdin(): void;
  /**
   * Sets the size of the terminal.
   *
   * @throws GuestError `unavailable` when there is none; SystemError
   */
  resize(rows: number, columns: number): void;
  /** To be called at the exit of the process. What it printed stays readable. */
  processExited(): void;
  /** Lets go of everything. */
  close(): void;
}

/** Starts a process with the given ends of its streams and gives its id. */
export type StartProcess = (stdio: ProcessStdio) => Promise<number>;

/** Where streams come from. */
export interface StreamOptions {
  /** Directory for the sockets of terminals. */
  readonly consoleSockets: string;
  /** Bytes that a pipe holds before the process waits; the kernel's 64 KiB when absent. */
  readonly pipeSizeBytes?: number | undefined;
}

/**
 * Starts a process with three pipes. They are real ones, so that a container can open /dev/stdout.
 *
 * @throws what `start` throws; no descriptor stays open then
 */
export async function startWithPipes(
  options: StreamOptions,
  start: StartProcess,
): Promise<{ readonly pid: number; readonly streams: ProcessStreams }> {
  using theirs = new DisposableStack();
  using ours = new DisposableStack();
  const makePipe = (own: "readFd" | "writeFd"): Pipe => {
    const pipe = createPipe(options.pipeSizeBytes === undefined ? {} : { sizeBytes: options.pipeSizeBytes });
    ours.adopt(pipe[own], closeDescriptor);
    theirs.adopt(pipe[own === "readFd" ? "writeFd" : "readFd"], closeDescriptor);
    return pipe;
  };
  const [stdin, stdout, stderr] = [makePipe("writeFd"), makePipe("readFd"), makePipe("readFd")];
  const ends = { stdinFd: stdin.readFd, stdoutFd: stdout.writeFd, stderrFd: stderr.writeFd };
  const pid = await start({ kind: "pipes", ...ends });
  // From here on the streams own our ends.
  ours.move();
  return { pid, streams: pipeStreams(stdin.writeFd, stdout.readFd, stderr.readFd) };
}

function pipeStreams(stdinFd: number, stdoutFd: number, stderrFd: number): ProcessStreams {
  const stdin = new InputStream(openWritable(stdinFd));
  const stdout = new OutputStream(openReadable(stdoutFd));
  const stderr = new OutputStream(openReadable(stderrFd));
  return {
    stdin,
    stdout,
    stderr,
    get outputEnded() {
      return stdout.ended && stderr.ended;
    },
    closeStdin: () => stdin.close(),
    resize: () => {
      throw new GuestError("unavailable", "no tty", { peerMessage: '"no tty"' });
    },
    processExited: () => {
      stdin.destroy();
      stdout.processExited();
      stderr.processExited();
    },
    close: () => {
      stdin.destroy();
      stdout.close();
      stderr.close();
    },
  };
}

/**
 * Starts a process in a terminal of its own.
 *
 * @throws what `start` throws; GuestError `failed-precondition` when no terminal was handed over
 */
export async function startInTerminal(
  options: StreamOptions,
  start: StartProcess,
): Promise<{ readonly pid: number; readonly streams: ProcessStreams }> {
  using socket = new ConsoleSocket(posix.join(options.consoleSockets, `${randomUUID().slice(0, 13)}.sock`));
  const pid = await start({ kind: "terminal", consoleSocket: socket.path });
  try {
    return { pid, streams: terminalStreams(socket.receiveTerminal()) };
  } catch (error) {
    sendSignal(pid, SIGKILL);
    throw error;
  }
}

/** The character that ends the input of a terminal, as a person would type it. */
const endOfTransmission = new Uint8Array([4]);

function terminalStreams(fd: number): ProcessStreams {
  const terminal = openTerminal(fd);
  // The end of the output closes the descriptor, whose number may be another's then.
  const isOpen = (): boolean => !terminal.input.destroyed;
  const stdin = new InputStream(openTerminalInput(fd, isOpen));
  const output = new OutputStream(terminal.output);
  const close = (): void => {
    stdin.destroy();
    output.close();
    terminal.close();
  };
  return {
    stdin,
    stdout: output,
    stderr: output,
    get outputEnded() {
      return output.ended;
    },
    // Ending the stream would hang up, and what the process still prints would be lost.
    closeStdin: () => {
      // A second end, or that of a terminal that is closed already, changes nothing.
      stdin.write(endOfTransmission, new AbortController().signal).catch(() => {});
      stdin.close();
    },
    resize: (rows, columns) => {
      if (isOpen()) setWindowSize(fd, rows & 0xffff, columns & 0xffff);
    },
    processExited: () => {
      stdin.destroy();
      output.processExited();
    },
    close,
  };
}
