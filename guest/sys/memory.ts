import os from "node:os";
import { GuestError } from "../core/errors.ts";
import { readFileBounded } from "./file.ts";
import { maxKernelFileBytes } from "./limits.ts";

/** All the memory that the kernel has to give, in bytes. */
export function totalMemoryBytes(): number {
  return os.totalmem();
}

/** What new programs and files could take now without anything being killed, in bytes, as the kernel estimates it. */
export function availableMemoryBytes(): number {
  const table = readFileBounded("/proc/meminfo", maxKernelFileBytes).toString();
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(table)?.[1];
  if (kibibytes === undefined) throw new GuestError("internal", "the kernel does not say how much memory is available");
  return Number(kibibytes) * 1024;
}
