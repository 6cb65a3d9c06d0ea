import { setTimeout as delay } from "node:timers/promises";
import { describeFailure } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type ChildReaper, exitCodeOf } from "../sys/child-reaper.ts";
import { Directory } from "../sys/directory.ts";
import { sendSignal, signalDisposition } from "../sys/signal.ts";
import { isErrno } from "../sys/system-error.ts";
import type { ProcessStreams } from "./stdio/process-streams.ts";

const replacePollMs = 1;
const maxReplaceMs = 1000;

const SIGKILL = 9;
const SIGTERM = 15;

/** Exit code of a process of which nobody can say how it ended. */
const unknownExitCode = 255;

/** A process of a container: its streams, its signals, its end. It is our child, so its id stays its own until we take its end. */
export class ContainerProcess {
  readonly pid: number;
  readonly streams: ProcessStreams;
  /** The exit code, or 128 + the signal (spec/agent-rpc.md 6.3). Never rejects. */
  readonly exited: Promise<number>;
  #exitCode: number | undefined;

  constructor(pid: number, streams: ProcessStreams, reaper: ChildReaper, log: Log) {
    this.pid = pid;
    this.streams = streams;
    this.exited = reaper.watch(pid).then(exitCodeOf, (error: unknown) => {
      log.error("end of a process is unknown", { pid, error: describeFailure(error) });
      return unknownExitCode;
    });
    void this.exited.then((exitCode) => {
      this.#exitCode = exitCode;
      streams.processExited();
    });
  }

  /** Undefined while it runs. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /**
   * Sends a signal. One that has ended gets none, which is no error.
   *
   * @param signal number, 1 to 64
   * @throws SystemError
   */
  signal(signal: number): void {
    if (this.#exitCode !== undefined) return;
    try {
      sendSignal(this.pid, signal);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  }

  /** What the kernel calls the program that it runs now; undefined once it has ended. */
  get program(): string | undefined {
    try {
      using directory = Directory.open(`/proc/${this.pid}`);
      return directory.readLink("exe").toString();
    } catch (error) {
      if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
      throw error;
    }
  }

  /**
   * Waits until it runs another program, or has ended: the OCI runtime's `start` returns a moment before its own program gives way to
   * the container's, and signals in that moment would be lost. Gives up after a while, since a program may look the same.
   *
   * @param before what {@link program} was
   */
  async programReplaced(before: string | undefined): Promise<void> {
    for (let waitedMs = 0; waitedMs < maxReplaceMs && this.program === before; waitedMs += replacePollMs) {
      await delay(replacePollMs);
    }
  }

  /**
   * Asks the first process of a container to end. The kernel drops SIGTERM for a first process that has made no provision for it,
   * which then gets SIGKILL instead (spec/agent-rpc.md 6.2).
   */
  terminateInit(): void {
    if (this.#exitCode === undefined) this.signal(this.#heedsTermination() ? SIGTERM : SIGKILL);
  }

  #heedsTermination(): boolean {
    try {
      const { blocked, ignored, caught } = signalDisposition(this.pid);
      return [blocked, ignored, caught].some((signals) => signals.has(SIGTERM));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ESRCH")) return true;
      throw error;
    }
  }
}
