import os from "node:os";
import { GuestError } from "../core/errors.ts";
import { errnoText, readErrno } from "./libc.ts";

const errnoNumbers: ReadonlyMap<string, number> = new Map(Object.entries(os.constants.errno));

/** Some numbers have two names; these are the ones not used. */
const aliases: ReadonlySet<string> = new Set(["EWOULDBLOCK", "EOPNOTSUPP"]);
const errnoNames: ReadonlyMap<number, string> = new Map(
  [...errnoNumbers].filter(([name]) => !aliases.has(name)).map(([name, number]) => [number, name]),
);

/**
 * A system call that failed. The message is the one callers know from elsewhere, `ENOENT: No such file or directory`; which
 * call it was and on which path is in the fields, for the guest's log only.
 *
 * The code is always `internal`: what a missing file means to a peer is for the handler to say.
 */
export class SystemError extends GuestError {
  override readonly name = "SystemError";
  /** The name of the errno, such as `ENOENT`; `errno 4095` for a number without a name. */
  readonly errno: string;

  /**
   * @param errno the number, positive
   * @param call the system call, such as `mount`
   * @param path what it was about, where there is a path
   */
  constructor(errno: number, call: string, path?: string) {
    const name = errnoNames.get(errno) ?? `errno ${errno}`;
    super("internal", `${name}: ${errnoText(errno)}`, { fields: path === undefined ? { call } : { call, path } });
    this.errno = name;
  }
}

/**
 * True when something thrown is a failed system call with one of these errnos, such as `ENOENT`; errors of Node's own count,
 * too. ENOTSUP stands for EOPNOTSUPP as well.
 */
export function isErrno(thrown: unknown, ...names: readonly string[]): boolean {
  if (thrown instanceof SystemError) return names.includes(thrown.errno);
  return isNodeSystemError(thrown) && names.includes(thrown.code);
}

/** The failure of the call of the C library that has just returned -1. To be called before anything else is. */
export function lastError(call: string, path?: string | Uint8Array): SystemError {
  const errno = readErrno();
  return new SystemError(errno, call, path instanceof Uint8Array ? printablePath(path) : path);
}

/** Runs something of node:fs and the like, and throws its failed system calls as {@link SystemError}. */
export function asSystemCall<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toSystemError(error);
  }
}

/** A failed system call of Node as {@link SystemError}; anything else as it is. */
export function toSystemError(thrown: unknown): unknown {
  if (!isNodeSystemError(thrown)) return thrown;
  const errno = errnoNumbers.get(thrown.code);
  if (errno === undefined) return thrown;
  return new SystemError(errno, thrown.syscall, thrown.path);
}

/**
 * Text for the C library, which ends at the first NUL: with one inside, or with half a surrogate pair, it would name another
 * file than the one that was checked.
 *
 * @throws SystemError EINVAL
 */
export function cString(text: string | Uint8Array, call: string): string | Uint8Array {
  if (typeof text === "string") {
    if (text.includes("\0") || !text.isWellFormed()) throw new SystemError(os.constants.errno.EINVAL, call);
    return text;
  }
  if (text.includes(0)) throw new SystemError(os.constants.errno.EINVAL, call, printablePath(text));
  const terminated = new Uint8Array(text.byteLength + 1);
  terminated.set(text);
  return terminated;
}

function printablePath(path: Uint8Array): string {
  return Buffer.from(path).toString().replace(/\0+$/, "");
}

interface NodeSystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

function isNodeSystemError(thrown: unknown): thrown is NodeSystemError {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof thrown.code === "string" &&
    "syscall" in thrown &&
    typeof thrown.syscall === "string"
  );
}
