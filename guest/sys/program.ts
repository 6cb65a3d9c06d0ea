import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { GuestError } from "../core/errors.ts";
import { closeDescriptorsOnExec } from "./descriptor.ts";
import { defaultProgramTimeoutMs, maxProgramOutputBytes, outputAfterExitMs } from "./limits.ts";
import { inNamespace } from "./namespace.ts";
import { asSystemCall, toSystemError } from "./system-error.ts";

/** Where programs are looked for. Never in a PATH that somebody could set. */
const programDirectories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** How to run a program. */
export interface ProgramOptions {
  /** What it reads: nothing when absent, bytes, or a descriptor that it gets as it is. */
  readonly stdin?: Uint8Array | { readonly fd: number };
  /** A descriptor that takes its output in place of {@link ProgramResult.stdout}. */
  readonly stdoutFd?: number;
  readonly stderrFd?: number;
  /** Descriptors that it gets as 3, 4 and so on. */
  readonly extraFds?: readonly number[];
  /** Killed after so long; {@link defaultProgramTimeoutMs} when absent. */
  readonly timeoutMs?: number;
  /** Killed when one of its outputs grows over this. */
  readonly maxOutputBytes?: number;
  /** Kills it. */
  readonly signal?: AbortSignal;
  /** The whole environment besides a fixed PATH. Nothing of our own environment is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; the root when absent. */
  readonly workingDirectory?: string;
  /** Path of the network namespace it runs in; ours when absent. */
  readonly networkNamespace?: string | undefined;
}

/** How a program ended and what it said. */
export interface ProgramResult {
  /** Its exit code; null when a signal ended it. */
  readonly exitCode: number | null;
  /** Name of the signal that ended it, such as `SIGKILL`; null when it exited. */
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/**
 * Runs a program to its end: no shell, a fixed environment, bounded time and output (threat model row 131). An argument that
 * comes from elsewhere could be taken as an option: callers put `--` before it or check it.
 *
 * @param program absolute path, see {@link findProgram}
 * @throws GuestError `deadline-exceeded` after the time-out, `cancelled` by the signal, `resource-exhausted` for too much
 *   output, SystemError when it can't be started. A failure that the program itself reports is a result, not an error.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  if (!path.isAbsolute(program)) throw new TypeError(`not an absolute path: ${program}`);
  if ([program, ...args].some((word) => word.includes("\0")))
    throw new GuestError("invalid-argument", "an argument of a program has a NUL in it");
  const { signal: abort, stdin, timeoutMs = defaultProgramTimeoutMs, maxOutputBytes = maxProgramOutputBytes } = options;
  const name = path.basename(program);
  const cancelled = (): GuestError => new GuestError("cancelled", `${name} was cancelled`);
  if (abort?.aborted === true) throw cancelled();
  const child = start(program, args, options);
  let failure: GuestError | undefined;
  const kill = (why: GuestError): void => {
    failure ??= why;
    child.kill("SIGKILL");
  };
  const tooMuch = (): void => kill(new GuestError("resource-exhausted", `${name} printed too much`));
  const stdout = collect(child.stdout, maxOutputBytes, tooMuch);
  const stderr = collect(child.stderr, maxOutputBytes, tooMuch);
  feed(child, stdin);
  const tooLate = (): void => kill(new GuestError("deadline-exceeded", `${name} took over ${timeoutMs} ms`));
  const timer = setTimeout(tooLate, timeoutMs);
  const onAbort = (): void => kill(cancelled());
  abort?.addEventListener("abort", onAbort, { once: true });
  const letGo = (): void => {
    clearTimeout(timer);
    abort?.removeEventListener("abort", onAbort);
  };
  // What comes between the exit and the end of the outputs is too late to be a failure.
  child.once("exit", letGo);
  try {
    const [exitCode, signal] = await ended(child);
    if (failure !== undefined) throw failure;
    return { exitCode, signal, stdout: stdout(), stderr: stderr() };
  } finally {
    letGo();
  }
}

/**
 * Runs a program that has to succeed.
 *
 * @returns what it printed
 * @throws as {@link runProgram}, and GuestError `internal` with the program's own words when it ends with another code than 0
 */
export async function runToSuccess(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Buffer> {
  const result = await runProgram(program, args, options);
  if (result.exitCode === 0) return result.stdout;
  const said = result.stderr.toString().trim();
  const end = result.exitCode === null ? `was ended by ${result.signal}` : `ended with code ${result.exitCode}`;
  throw new GuestError("internal", `${path.basename(program)} ${end}${said === "" ? "" : `: ${said}`}`, {
    fields: { program, exitCode: result.exitCode, signal: result.signal },
  });
}

/**
 * The absolute path of a program of the system.
 *
 * @param name a plain file name
 * @throws GuestError `failed-precondition` when it isn't installed
 */
export function findProgram(name: string): string {
  if (name.includes("/")) throw new TypeError(`not a plain file name: ${name}`);
  for (const directory of programDirectories) {
    const candidate = path.join(directory, name);
    if (fs.statSync(candidate, { throwIfNoEntry: false })?.isFile() === true) return candidate;
  }
  throw new GuestError("failed-precondition", `program ${name} is not installed`);
}

function start(program: string, args: readonly string[], options: ProgramOptions): ChildProcess {
  closeDescriptorsOnExec();
  const stdin = options.stdin === undefined ? "ignore" : "fd" in options.stdin ? options.stdin.fd : "pipe";
  const stdio: StdioOptions = [stdin, options.stdoutFd ?? "pipe", options.stderrFd ?? "pipe"];
  const spawnIt = (): ChildProcess =>
    asSystemCall(() =>
      spawn(program, args, {
        stdio: [...stdio, ...(options.extraFds ?? [])],
        cwd: options.workingDirectory ?? "/",
        env: { PATH: programDirectories.join(":"), ...options.env },
      }),
    );
  // The fork happens before spawn returns, so that the child is born in the namespace that this thread is in.
  const { networkNamespace } = options;
  return networkNamespace === undefined ? spawnIt() : inNamespace("net", networkNamespace, spawnIt);
}

/** Hands over what it reads. A program that doesn't read it all breaks the pipe, which is its right. */
function feed(child: ChildProcess, stdin: ProgramOptions["stdin"]): void {
  child.stdin?.on("error", () => {});
  if (stdin instanceof Uint8Array) child.stdin?.end(stdin);
}

function collect(stream: ChildProcess["stdout"], maxBytes: number, tooMuch: () => void): () => Buffer {
  const pieces: Buffer[] = [];
  let total = 0;
  stream?.on("data", (piece: Buffer) => {
    total += piece.length;
    if (total > maxBytes) return tooMuch();
    pieces.push(piece);
  });
  return () => Buffer.concat(pieces);
}

/**
 * Waits for the exit and for the outputs to end. A descendant that keeps an output open is not waited for long.
 */
function ended(child: ChildProcess): Promise<[number | null, string | null]> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(toSystemError(error)));
    child.once("exit", () => {
      const timer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, outputAfterExitMs);
      child.once("close", () => clearTimeout(timer));
    });
    child.once("close", (code, signal) => resolve([code, signal]));
  });
}
