import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second, whatever the kernel's own clock. */
const tickMs = 10;

/** Processor time of a process, in milliseconds. */
export interface ProcessorTime {
  /** In user space and in the kernel, its ended children included. */
  readonly totalMs: number;
  /** That of its ended children alone. */
  readonly childrenMs: number;
}

/** Reads what a process has used until now (proc_pid_stat(5), fields 14 to 17). */
export function processorTime(pid: number | "self"): ProcessorTime {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the program's name and may hold blanks and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map((ticks) => Number(ticks) * tickMs);
  if (user === undefined || system === undefined || childrenUser === undefined || childrenSystem === undefined)
    throw new Error(`/proc/${pid}/stat has too few fields`);
  const childrenMs = childrenUser + childrenSystem;
  return { totalMs: user + system + childrenMs, childrenMs };
}
