import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { Directory } from "../../sys/directory.ts";
import { isMountPoint, mount, mountFlags, parseMountOptions, readMountTable, unmount } from "../../sys/mount.ts";
import { isErrno } from "../../sys/system-error.ts";
import { maxPathBytes } from "../limits.ts";

/**
 * A directory of the guest at which a storage may appear. Every step goes through descriptors held beneath the base directory,
 * so that links that a host or container has planted lead nowhere (threats 40 to 42).
 */
export class MountPlace {
  readonly #base: string;
  /** Below the base. */
  readonly #relativePath: string;

  /**
   * @param base trusted directory
   * @param path what the host asks for
   * @param roots directories in the base below which (not at which) the path has to be
   * @throws GuestError `permission-denied` when it is elsewhere, not normalised, or something is mounted there
   */
  constructor(base: string, path: string, roots: readonly string[]) {
    if (!isNormalizedBelow(path, roots))
      throw new GuestError("permission-denied", "mount point is not allowed", { fields: { path } });
    if (isMountPoint(path))
      throw new GuestError("permission-denied", "something is mounted at the mount point", { fields: { path } });
    this.#base = base;
    this.#relativePath = posix.relative(base, path);
  }

  /**
   * Makes the directory, and those above it, where missing, and mounts on it.
   *
   * @param action mounts on the directory, which is held open
   * @param prepare gets what is mounted then; when it fails, that is taken away again
   */
  mount(action: (target: Directory) => void, prepare: (root: Directory) => void = () => {}): void {
    using base = Directory.open(this.#base, { mounts: "cross" });
    base.makeDirectories(this.#relativePath);
    using target = base.openDirectory(this.#relativePath);
    action(target);
    try {
      // What is mounted now is only seen by looking the path up again.
      using root = base.openDirectory(this.#relativePath);
      prepare(root);
    } catch (error) {
      this.unmount();
      throw error;
    }
  }

  /** Makes the directory, and those above it, where missing, and returns it held open. */
  open(): Directory {
    using base = Directory.open(this.#base, { mounts: "cross" });
    base.makeDirectories(this.#relativePath);
    return base.openDirectory(this.#relativePath);
  }

  /** Unmounts and removes the directory, unless something is left in it. */
  readonly unmount = (): void => {
    using base = Directory.open(this.#base, { mounts: "cross" });
    {
      using target = base.openDirectory(this.#relativePath);
      unmount(target.path, { lazy: true });
    }
    this.#removeIfEmpty(base);
  };

  /** Removes the directory with its contents. */
  readonly remove = (): void => {
    using base = Directory.open(this.#base, { mounts: "cross" });
    base.removeTree(this.#relativePath);
  };

  #removeIfEmpty(base: Directory): void {
    try {
      base.removeDirectory(this.#relativePath);
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY", "ENOENT")) throw error;
    }
  }
}

/**
 * Makes a mount read-only, whatever else its file system is seen through.
 *
 * @param root its directory, held open
 * @param mountPoint path of the same
 * @throws SystemError
 */
export function makeReadonly(root: Directory, mountPoint: string): void {
  const entry = readMountTable().findLast((candidate) => candidate.mountPoint === mountPoint);
  // The rest of the mount's flags would be taken off with the change if they were not named again.
  const { flags } = parseMountOptions(entry?.options ?? []);
  mount({ target: root.path, flags: flags | mountFlags.remount | mountFlags.bind | mountFlags.readonly });
}

/** True for an absolute path in its shortest spelling that is below one of the roots. */
export function isNormalizedBelow(path: string, roots: readonly string[]): boolean {
  if (path.includes("\0") || Buffer.byteLength(path) > maxPathBytes) return false;
  if (posix.normalize(path) !== path || path.endsWith("/")) return false;
  return roots.some((root) => path.startsWith(`${root}/`));
}
