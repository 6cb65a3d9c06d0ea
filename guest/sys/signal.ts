import { readFileBounded } from "./file.ts";
import { libc } from "./libc.ts";
import { maxKernelFileBytes } from "./limits.ts";
import { lastError } from "./system-error.ts";

/**
 * Sends a signal to one process. A caller that holds the process as its unreaped child can't hit another with the same id.
 *
 * @param signal number; 0 only looks whether the process exists
 * @throws SystemError ESRCH when there is no such process; RangeError for ids that kill(2) takes for groups or all
 */
export function sendSignal(pid: number, signal: number): void {
  if (!Number.isInteger(pid) || pid < 1 || pid > 0x7fff_ffff) throw new RangeError(`not the id of one process: ${pid}`);
  if (libc.kill(pid, signal) !== 0) throw lastError("kill");
}

/** What a process does with signals. */
export interface SignalDisposition {
  /** Held back until the process takes them. */
  readonly blocked: ReadonlySet<number>;
  readonly ignored: ReadonlySet<number>;
  /** Handled by a function of the process. */
  readonly caught: ReadonlySet<number>;
}

/** Reads what a process does with signals, from /proc/<pid>/status. @throws SystemError ENOENT when there is no such process */
export function signalDisposition(pid: number): SignalDisposition {
  const status = readFileBounded(`/proc/${pid}/status`, maxKernelFileBytes).toString();
  return {
    blocked: signalSet(status, "SigBlk"),
    ignored: signalSet(status, "SigIgn"),
    caught: signalSet(status, "SigCgt"),
  };
}

/** Bit n - 1 of the mask stands for signal n. */
function signalSet(status: string, field: string): ReadonlySet<number> {
  const digits = new RegExp(`^${field}:\\s*([0-9a-f]{16})$`, "m").exec(status)?.[1] ?? "0";
  const mask = BigInt(`0x${digits}`);
  return new Set(Array.from({ length: 64 }, (_, bit) => bit + 1).filter((signal) => (mask >> BigInt(signal - 1)) & 1n));
}
