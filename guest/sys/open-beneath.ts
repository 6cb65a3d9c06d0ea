import os from "node:os";
import { libc, linux } from "./libc.ts";
import { cString, lastError, SystemError } from "./system-error.ts";

/** How a path below a directory is resolved, openat2(2). */
export interface Resolution {
  /**
   * `refuse`: any link on the way is an error (ELOOP). `beneath`: links are followed, leaving the directory by one is an
   * error (EXDEV). `in-root`: links are followed as if the directory were `/`, as inside a container. Never are the links of
   * /proc followed that lead to another process' files.
   */
  readonly symlinks: "refuse" | "beneath" | "in-root";
  /** Whether a path may lead into something mounted below the directory; when refused, it is an error (EXDEV). */
  readonly mounts: "refuse" | "cross";
}

const syscallOpenat2 = 437n;
const resolve = { noXdev: 0x01n, noMagicLinks: 0x02n, noSymlinks: 0x04n, beneath: 0x08n, inRoot: 0x10n } as const;

/** How often an open is tried again that raced with a rename; the kernel gives up on `..` then. */
const maxRaces = 16;

/**
 * Opens a path below a directory and nowhere else; the kernel does the resolving, so that nobody can swap a component in
 * between. The descriptor is close-on-exec.
 *
 * @param flags O_* of open(2); @param mode for created files
 * @throws SystemError
 */
export function openBeneath(
  directory: number,
  path: string | Uint8Array,
  flags: number,
  mode: number,
  resolution: Resolution,
): number {
  const how = Buffer.allocUnsafe(24);
  how.writeBigUInt64LE(BigInt(flags | linux.O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(resolveFlags(resolution), 16);
  const checked = cString(path, "openat2");
  for (let attempt = 1; ; attempt++) {
    const fd = libc.syscall(syscallOpenat2, BigInt(directory), checked, how, 24n);
    if (fd >= 0n) return Number(fd);
    const error = lastError("openat2", path);
    if (error.errno !== "EAGAIN" || attempt === maxRaces) throw error;
  }
}

/**
 * Splits a path into the directory that has to be opened first (undefined: none) and a name in it.
 *
 * @throws SystemError EINVAL when there is no plain name at the end: empty, `.`, `..`, or a slash
 */
export function splitLeaf(
  path: string | Uint8Array,
  call: string,
): [string | Uint8Array | undefined, string | Uint8Array] {
  const slash = typeof path === "string" ? path.lastIndexOf("/") : path.lastIndexOf(0x2f);
  const leaf = typeof path === "string" ? path.slice(slash + 1) : path.subarray(slash + 1);
  if (!isPlainName(leaf)) throw new SystemError(os.constants.errno.EINVAL, call, Buffer.from(path).toString());
  if (slash < 0) return [undefined, leaf];
  // "/name" stays absolute: RESOLVE_BENEATH refuses it, RESOLVE_IN_ROOT takes it as the directory itself.
  const parentLength = Math.max(slash, 1);
  return [typeof path === "string" ? path.slice(0, parentLength) : path.subarray(0, parentLength), leaf];
}

/** True for a name that denotes an entry of the directory it is looked up in, and nothing else. */
function isPlainName(name: string | Uint8Array): boolean {
  if (typeof name === "string") return name !== "" && name !== "." && name !== "..";
  const dots = name.length <= 2 && name.every((byte) => byte === 0x2e);
  return !dots;
}

function resolveFlags({ symlinks, mounts }: Resolution): bigint {
  const links = {
    refuse: resolve.beneath | resolve.noSymlinks,
    beneath: resolve.beneath,
    "in-root": resolve.inRoot,
  }[symlinks];
  return links | resolve.noMagicLinks | (mounts === "refuse" ? resolve.noXdev : 0n);
}
