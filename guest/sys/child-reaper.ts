import fs from "node:fs";
import { GuestError } from "../core/errors.ts";
import { readFileIfPresent } from "./file.ts";
import { libc } from "./libc.ts";
import { defaultOrphanGraceMs, maxKernelFileBytes, strangerPollMs } from "./limits.ts";
import { isErrno, lastError } from "./system-error.ts";

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "killed"; readonly signal: number };

/** The one number that shells and Kubernetes know: the exit code, or 128 + the signal. */
export function exitCodeOf(status: ExitStatus): number {
  return status.kind === "exited" ? status.exitCode : 128 + status.signal;
}

interface Watch {
  readonly resolve: (status: ExitStatus) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes in the orphans of this process' children and learns how they end. An OCI runtime starts a container's process and
 * exits; the process becomes ours then.
 *
 * Node waits for the children that it has started, by their ids, as soon as they end; this class waits for watched ids, and
 * for others only when they have lain dead for half a minute. So the two never take a child from each other, and a
 * process that ends before anybody watches it keeps its id and its status until then.
 *
 * One instance a process.
 */
export class ChildReaper {
  readonly #watches = new Map<number, Watch>();
  readonly #unclaimed = new Map<number, number>();
  readonly #onChild = (): void => this.#look();
  readonly #orphanGraceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param options orphanGraceMs: how long a dead orphan waits for somebody to ask for it
   * @throws SystemError, or GuestError `failed-precondition` when the kernel doesn't list children
   */
  constructor(options: { readonly orphanGraceMs?: number } = {}) {
    this.#orphanGraceMs = options.orphanGraceMs ?? defaultOrphanGraceMs;
    if (readFileIfPresent(childrenFile(process.pid), maxKernelFileBytes) === undefined)
      throw new GuestError("failed-precondition", "the kernel lists no children (CONFIG_PROC_CHILDREN)");
    setSubreaper(1n);
    process.on("SIGCHLD", this.#onChild);
  }

  /**
   * Waits for the end of a process that is an orphan of ours, or becomes one. Waiting alone doesn't keep the program running.
   *
   * @throws GuestError `not-found` when there is no such process and nobody can tell how it ended; `cancelled` when the reaper
   *   is closed
   */
  watch(pid: number): Promise<ExitStatus> {
    if (this.#closed) return Promise.reject(new GuestError("cancelled", "the child reaper is closed"));
    if (this.#watches.has(pid)) return Promise.reject(new TypeError(`process ${pid} is watched already`));
    const end = new Promise<ExitStatus>((resolve, reject) => this.#watches.set(pid, { resolve, reject }));
    this.#look();
    return end;
  }

  /** Stops watching and gives up being the reaper. Processes live on and become those of init. */
  close(): void {
    this.#closed = true;
    process.off("SIGCHLD", this.#onChild);
    clearTimeout(this.#timer);
    setSubreaper(0n);
    for (const { reject } of this.#watches.values()) reject(new GuestError("cancelled", "the child reaper is closed"));
    this.#watches.clear();
  }

  #look(): void {
    clearTimeout(this.#timer);
    const strangers = [...this.#watches].filter(([pid, watch]) => this.#settle(pid, watch) === "not-ours");
    this.#reapUnclaimed();
    if (strangers.length > 0) this.#lookAgainIn(strangerPollMs);
    else if (this.#unclaimed.size > 0) this.#lookAgainIn(this.#orphanGraceMs);
  }

  #lookAgainIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms);
    this.#timer.unref();
  }

  /** Ends the watch of a process that has ended. */
  #settle(pid: number, watch: Watch): "settled" | "running" | "not-ours" {
    const status = waitFor(pid);
    if (status === "running") return status;
    if (status === "not-ours" && fs.existsSync(`/proc/${pid}`)) return status;
    this.#watches.delete(pid);
    this.#unclaimed.delete(pid);
    if (status === "not-ours") watch.reject(new GuestError("not-found", `process ${pid} is not there`));
    else watch.resolve(status);
    return "settled";
  }

  /** Buries dead orphans that nobody has asked for in a long time. */
  #reapUnclaimed(): void {
    const now = performance.now();
    const dead = new Set(deadChildren().filter((pid) => !this.#watches.has(pid)));
    for (const pid of this.#unclaimed.keys()) if (!dead.has(pid)) this.#unclaimed.delete(pid);
    for (const pid of dead) {
      const since = this.#unclaimed.get(pid) ?? now;
      this.#unclaimed.set(pid, since);
      if (now - since < this.#orphanGraceMs) continue;
      waitFor(pid);
      this.#unclaimed.delete(pid);
    }
  }
}

/** Looks whether a child has ended and takes its status. */
function waitFor(pid: number): ExitStatus | "running" | "not-ours" {
  const WNOHANG = 1;
  const buffer = Buffer.alloc(4);
  const result = libc.waitpid(pid, buffer, WNOHANG);
  if (result === 0) return "running";
  if (result < 0) {
    const error = lastError("waitpid");
    if (isErrno(error, "ECHILD")) return "not-ours";
    throw error;
  }
  const status = buffer.readInt32LE(0);
  const signal = status & 0x7f;
  return signal === 0 ? { kind: "exited", exitCode: (status >> 8) & 0xff } : { kind: "killed", signal };
}

/** Ids of our children that have ended and not been waited for. */
function deadChildren(): number[] {
  return childProcesses().filter((pid) => processState(pid) === "Z");
}

function childProcesses(): number[] {
  return fs.readdirSync("/proc/self/task").flatMap((thread) => {
    const children = readFileIfPresent(childrenFile(thread), maxKernelFileBytes)?.toString().trim() ?? "";
    return children === "" ? [] : children.split(" ").map(Number);
  });
}

function childrenFile(thread: string | number): string {
  return `/proc/self/task/${thread}/children`;
}

/** The letter after the program's name, which is in parentheses and may hold any character. */
function processState(pid: number): string | undefined {
  const line = readFileIfPresent(`/proc/${pid}/stat`, maxKernelFileBytes)?.toString();
  return line?.[line.lastIndexOf(")") + 2];
}

function setSubreaper(on: bigint): void {
  const PR_SET_CHILD_SUBREAPER = 36;
  if (libc.prctl(PR_SET_CHILD_SUBREAPER, on, 0n, 0n, 0n) !== 0) throw lastError("prctl PR_SET_CHILD_SUBREAPER");
}
