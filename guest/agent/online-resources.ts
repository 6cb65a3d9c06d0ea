import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../core/errors.ts";
import { listDirectory, pathExists, readFileIfPresent, writeKernelFile } from "../sys/file.ts";
import { isErrno } from "../sys/system-error.ts";
import { maxCpus } from "./limits.ts";

const cpuDirectory = "/sys/devices/system/cpu";
const memoryDirectory = "/sys/devices/system/memory";
const maxAttempts = 100;
const attemptMs = 50;

/**
 * Makes sure that at least so many CPUs are online in total; hot-plugged ones may take a while to appear. Only fixed words are
 * written (threat 69).
 *
 * @throws GuestError `internal` with the reference's words when they do not come; `invalid-argument` above the limit
 */
export async function onlineCpus(wanted: number, signal: AbortSignal, directory: string = cpuDirectory): Promise<void> {
  if (wanted > maxCpus) throw new GuestError("invalid-argument", "too many CPUs");
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    signal.throwIfAborted();
    if (bringOnline(directory, /^cpu\d+$/u, wanted) >= wanted) return;
    await delay(attemptMs);
  }
  throw new GuestError("internal", `failed to online ${wanted} CPU(s) after ${maxAttempts} retries`);
}

/** Takes all memory into use that has been plugged in. Machines without hot-plug have nothing to do. */
export function onlineMemory(directory: string = memoryDirectory): void {
  if (pathExists(directory)) bringOnline(directory, /^memory\d+$/u, Number.POSITIVE_INFINITY);
}

/** @returns how many are online; the first CPU of most machines has no switch and is always on */
function bringOnline(directory: string, name: RegExp, wanted: number): number {
  let online = 0;
  const names = listDirectory(directory).filter((entry) => name.test(entry));
  for (const entry of names.sort((a, b) => Number(a.replace(/\D/gu, "")) - Number(b.replace(/\D/gu, "")))) {
    if (online >= wanted) break;
    if (isOnline(posix.join(directory, entry, "online"))) online++;
  }
  return online;
}

function isOnline(file: string): boolean {
  const state = readFileIfPresent(file, 16)?.toString().trim();
  if (state === undefined || state === "1") return true;
  try {
    writeKernelFile(file, "1");
    return true;
  } catch (error) {
    // A device that is not ready yet is tried again.
    if (isErrno(error, "EBUSY", "EINVAL", "ENODEV", "EIO")) return false;
    throw error;
  }
}
