import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach } from "vitest";
import { Directory } from "../../guest/sys/directory.ts";
import { SystemError } from "../../guest/sys/system-error.ts";

/** A directory of the test's own, removed when the test is over. Outside of it nothing is touched. */
export function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podkeep-sys-"));
  directories.push(directory);
  return directory;
}

/** A directory to work in, opened, beside a file `canary` that nothing may touch. */
export function directoryWithCanary(): {
  readonly outer: string;
  readonly base: string;
  readonly directory: Directory;
} {
  const outer = temporaryDirectory();
  const base = path.join(outer, "base");
  fs.mkdirSync(base);
  fs.writeFileSync(path.join(outer, "canary"), "alive");
  return { outer, base, directory: Directory.open(base) };
}

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** What a function throws; fails the test when it throws nothing. */
export function failureOf(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Waits until something holds, at most five seconds. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it never came about");
}

/** The errno of the system call that an action fails with. @throws what else it fails with */
export function errnoOf(action: () => unknown): string {
  const error = failureOf(action);
  if (!(error instanceof SystemError)) throw error;
  return error.errno;
}

/** Descriptors of this process that lie below a path: what a test leaves open. */
export function openDescriptorsBelow(start: string): string[] {
  return fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(start) ? [target] : [];
    } catch {
      return []; // the descriptor of readdir itself
    }
  });
}
