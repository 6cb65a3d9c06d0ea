import fs from "node:fs";
import os from "node:os";
import { changeDescriptorMode, descriptorPath } from "./descriptor.ts";
import { readAttribute, readAttributes, writeAttribute } from "./extended-attributes.ts";
import {
  type DeviceNumber,
  encodeDeviceNumber,
  encodeTimes,
  type FileStatus,
  statusAt,
  type Timestamp,
} from "./file-status.ts";
import { libc, linux } from "./libc.ts";
import { maxPathBytes } from "./limits.ts";
import { openBeneath, type Resolution, splitLeaf } from "./open-beneath.ts";
import { removeContents, removeTreeAt, unlinkAt } from "./remove-tree.ts";
import { asSystemCall, cString, isErrno, lastError, SystemError } from "./system-error.ts";

/** A path below a directory; bytes where names need not be UTF-8. */
export type RelativePath = string | Uint8Array;

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
const strict: Resolution = { symlinks: "refuse", mounts: "refuse" };

/**
 * A directory held open, and everything that can be done below it and nowhere else (threat model rows 51, 132, 133): the
 * kernel resolves each path from the held descriptor under the rules of {@link Resolution}, so neither `..` nor a planted or
 * swapped link leads out. The last component is never followed when it is a link; it must be a plain name.
 *
 * A path of one name costs one system call; a longer one has its parent opened and closed around it. Who works much in one
 * place opens it with {@link openDirectory} first.
 *
 * All methods throw SystemError.
 */
export class Directory implements Disposable {
  /** The open descriptor, for system calls beside this class. Valid until {@link close}. */
  readonly fd: number;
  readonly #resolution: Resolution;
  #open = true;

  private constructor(fd: number, resolution: Resolution) {
    this.fd = fd;
    this.#resolution = resolution;
  }

  /**
   * Opens a directory by a path that is trusted as a whole: links in it are followed.
   *
   * @param resolution how paths below it are resolved; links and mounts are refused when absent
   */
  static open(path: string, resolution: Partial<Resolution> = {}): Directory {
    const fd = asSystemCall(() => fs.openSync(path, O_RDONLY | O_DIRECTORY));
    return new Directory(fd, { ...strict, ...resolution });
  }

  /** The path by which mount(2) and node:fs reach this very directory, whatever its name is meanwhile. */
  get path(): string {
    return descriptorPath(this.fd);
  }

  /** Opens a directory below this one. It has the same rules unless others are given. */
  openDirectory(path: RelativePath, resolution: Partial<Resolution> = {}): Directory {
    const rules = { ...this.#resolution, ...resolution };
    return new Directory(openBeneath(this.fd, path, O_RDONLY | O_DIRECTORY, 0, rules), rules);
  }

  /**
   * Opens a path without using it (O_PATH), for mounting on it or from it by {@link descriptorPath}. Links at the end are
   * followed as the rules have it.
   */
  openPath(path: RelativePath): number {
    return openBeneath(this.fd, path, linux.O_PATH, 0, this.#resolution);
  }

  /** Opens a regular file for reading. EINVAL for anything else. */
  openFile(path: RelativePath): number {
    return this.#openRegular(path, O_RDONLY);
  }

  /** Opens a regular file that exists for reading and writing. EINVAL for anything else. */
  openFileForWriting(path: RelativePath): number {
    return this.#openRegular(path, O_RDWR);
  }

  /**
   * Makes a regular file and opens it for reading and writing.
   *
   * @param options mode: permission bits, minus the umask. exclusive (the default): EEXIST when the name is taken; else an
   *   existing file is emptied
   */
  createFile(path: RelativePath, options: { readonly mode?: number; readonly exclusive?: boolean } = {}): number {
    const { mode = 0o600, exclusive = true } = options;
    if (!exclusive) return this.#openRegular(path, O_RDWR | O_CREAT | O_TRUNC, mode);
    splitLeaf(path, "openat2");
    return openBeneath(this.fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode, this.#resolution);
  }

  /** Makes a directory with exactly this mode. EEXIST when the name is taken. */
  makeDirectory(path: RelativePath, mode = 0o755): void {
    this.#atLeaf(path, "mkdirat", (fd, name) => {
      if (libc.mkdirat(fd, cString(name, "mkdirat"), mode & 0o1777) !== 0) throw lastError("mkdirat", path);
      // The umask has taken bits away, and mkdir knows none of setuid and setgid; looking is cheaper than setting.
      if (statusAt(fd, name, linux.AT_SYMLINK_NOFOLLOW).mode !== mode) changeModeAt(fd, name, mode);
    });
  }

  /** Makes a directory and those above it that are missing; existing ones stay as they are. */
  makeDirectories(path: RelativePath, mode = 0o755): void {
    const bytes = Buffer.from(path);
    for (let end = bytes.indexOf(0x2f, 1); ; end = bytes.indexOf(0x2f, end + 1)) {
      const prefix = end < 0 ? bytes : bytes.subarray(0, end);
      if (prefix.length > 0 && prefix.at(-1) !== 0x2f) this.#makeDirectoryUnlessThere(prefix, mode);
      if (end < 0) return;
    }
  }

  /** Makes a symbolic link. The target is stored as it is and may name anything. */
  symlink(target: string | Uint8Array, path: RelativePath): void {
    this.#atLeaf(path, "symlinkat", (fd, name) => {
      if (libc.symlinkat(cString(target, "symlinkat"), fd, cString(name, "symlinkat")) !== 0)
        throw lastError("symlinkat", path);
    });
  }

  /** Gives a file a second name. A link is not followed, but gets a second name itself. */
  link(existing: RelativePath, path: RelativePath): void {
    this.#atLeaf(existing, "linkat", (fromFd, from) => {
      this.#atLeaf(path, "linkat", (toFd, to) => {
        if (libc.linkat(fromFd, cString(from, "linkat"), toFd, cString(to, "linkat"), 0) !== 0)
          throw lastError("linkat", path);
      });
    });
  }

  /** Makes a fifo or device node with exactly this mode. */
  makeNode(
    path: RelativePath,
    kind: "fifo" | "character-device" | "block-device",
    mode: number,
    device: DeviceNumber = { major: 0, minor: 0 },
  ): void {
    const { S_IFIFO, S_IFCHR, S_IFBLK } = fs.constants;
    const type = { fifo: S_IFIFO, "character-device": S_IFCHR, "block-device": S_IFBLK }[kind];
    this.#atLeaf(path, "mknodat", (fd, name) => {
      if (libc.mknodat(fd, cString(name, "mknodat"), type | (mode & 0o777), encodeDeviceNumber(device)) !== 0)
        throw lastError("mknodat", path);
      changeModeAt(fd, name, mode);
    });
  }

  /**
   * Renames; what is at the new name is replaced.
   *
   * @param options replace: false gives EEXIST instead. into: the directory that the new name is relative to, this one when
   *   absent
   */
  rename(
    from: RelativePath,
    to: RelativePath,
    options: { readonly replace?: boolean; readonly into?: Directory } = {},
  ): void {
    const { replace = true, into = this } = options;
    this.#atLeaf(from, "renameat2", (fromFd, fromName) => {
      into.#atLeaf(to, "renameat2", (toFd, toName) => {
        const source = cString(fromName, "renameat2");
        if (
          libc.renameat2(fromFd, source, toFd, cString(toName, "renameat2"), replace ? 0 : linux.RENAME_NOREPLACE) !== 0
        )
          throw lastError("renameat2", to);
      });
    });
  }

  /** Removes a file, link or node; EISDIR for a directory. */
  unlink(path: RelativePath): void {
    this.#atLeaf(path, "unlinkat", (fd, name) => unlinkAt(fd, name, 0));
  }

  /** Removes an empty directory. */
  removeDirectory(path: RelativePath): void {
    this.#atLeaf(path, "unlinkat", (fd, name) => unlinkAt(fd, name, linux.AT_REMOVEDIR));
  }

  /** Removes whatever is there with all below it; see {@link removeTreeAt} for links and mounts. A missing path is fine. */
  removeTree(path: RelativePath): void {
    try {
      this.#atLeaf(path, "unlinkat", (fd, name) => removeTreeAt(fd, name));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  /** Removes all that the directory holds, under the same rules. */
  removeContents(): void {
    removeContents(this.fd);
  }

  /** The target of a link, as it was stored. */
  readLink(path: RelativePath): Buffer {
    return this.#atLeaf(path, "readlinkat", (fd, name) => {
      const target = Buffer.allocUnsafe(maxPathBytes + 1);
      const length = Number(libc.readlinkat(fd, cString(name, "readlinkat"), target, BigInt(target.length)));
      if (length < 0) throw lastError("readlinkat", path);
      return Buffer.from(target.subarray(0, length));
    });
  }

  /** Metadata of an entry (of the link itself, if it is one), or of this directory without a path. */
  status(path?: RelativePath): FileStatus {
    if (path === undefined) return statusAt(this.fd, "", linux.AT_EMPTY_PATH);
    return this.#atLeaf(path, "statx", (fd, name) => statusAt(fd, name, linux.AT_SYMLINK_NOFOLLOW));
  }

  /** As {@link status}, but undefined when nothing is there. */
  statusIfPresent(path: RelativePath): FileStatus | undefined {
    try {
      return this.status(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Names in this directory, without `.` and `..`, unordered. */
  list(): Buffer[] {
    return asSystemCall(() => fs.readdirSync(this.path, { encoding: "buffer" }));
  }

  /**
   * Sets the owner, of the link itself if it is one. Clears setuid and setgid bits, so set the mode after it. EINVAL for the
   * number that the kernel takes for "as it is".
   */
  changeOwner(path: RelativePath, uid: number, gid: number): void {
    if (uid === 0xffff_ffff || gid === 0xffff_ffff) throw new SystemError(os.constants.errno.EINVAL, "fchownat");
    this.#atLeaf(path, "fchownat", (fd, name) => {
      if (libc.fchownat(fd, cString(name, "fchownat"), uid, gid, linux.AT_SYMLINK_NOFOLLOW) !== 0)
        throw lastError("fchownat", path);
    });
  }

  /** Sets the permission bits. ENOTSUP for a link, which has none. */
  changeMode(path: RelativePath, mode: number): void {
    this.#atLeaf(path, "fchmodat", (fd, name) => changeModeAt(fd, name, mode));
  }

  /** Sets the owner and then the mode of this directory itself. */
  changeOwnerAndMode(uid: number, gid: number, mode: number): void {
    asSystemCall(() => fs.fchownSync(this.fd, uid, gid));
    changeDescriptorMode(this.fd, mode);
  }

  /** Sets access and modification time, of the link itself if it is one. */
  changeTimes(path: RelativePath, time: Timestamp): void {
    this.#atLeaf(path, "utimensat", (fd, name) => {
      if (libc.utimensat(fd, cString(name, "utimensat"), encodeTimes(time), linux.AT_SYMLINK_NOFOLLOW) !== 0)
        throw lastError("utimensat", path);
    });
  }

  /** All extended attributes of an entry. */
  attributes(path: RelativePath): Map<string, Buffer> {
    return this.#atLeaf(path, "llistxattr", (fd, name) => readAttributes(entryPath(fd, name)));
  }

  /** An extended attribute; undefined when the entry has none of that name. */
  attribute(path: RelativePath, attribute: string): Buffer | undefined {
    return this.#atLeaf(path, "lgetxattr", (fd, name) => readAttribute(entryPath(fd, name), attribute));
  }

  /** Sets an extended attribute. */
  setAttribute(path: RelativePath, attribute: string, value: Uint8Array): void {
    this.#atLeaf(path, "lsetxattr", (fd, name) => writeAttribute(entryPath(fd, name), attribute, value));
  }

  /** Lets go of the descriptor. Calling again does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    fs.closeSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openRegular(path: RelativePath, flags: number, mode = 0): number {
    splitLeaf(path, "openat2");
    // Without O_NONBLOCK a fifo would block the thread until somebody opens its other end.
    const fd = openBeneath(this.fd, path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode, this.#resolution);
    if (fs.fstatSync(fd).isFile()) return fd;
    fs.closeSync(fd);
    throw new SystemError(os.constants.errno.EINVAL, "openat2", Buffer.from(path).toString());
  }

  #makeDirectoryUnlessThere(path: RelativePath, mode: number): void {
    try {
      this.makeDirectory(path, mode);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      // Opening tells whether what is there is a directory that the rules let in.
      if (this.status(path).kind !== "directory") this.openDirectory(path).close();
    }
  }

  /** Runs a system call on a plain name and the directory it is in. */
  #atLeaf<T>(path: RelativePath, call: string, action: (directory: number, name: string | Uint8Array) => T): T {
    const [parent, name] = splitLeaf(path, call);
    if (parent === undefined) return action(this.fd, name);
    const fd = openBeneath(this.fd, parent, linux.O_PATH | O_DIRECTORY, 0, this.#resolution);
    try {
      return action(fd, name);
    } finally {
      fs.closeSync(fd);
    }
  }
}

function changeModeAt(directory: number, name: RelativePath, mode: number): void {
  const result = libc.fchmodat(directory, cString(name, "fchmodat"), mode & 0o7777, linux.AT_SYMLINK_NOFOLLOW);
  if (result !== 0) throw lastError("fchmodat", name);
}

/** The path of an entry for calls that take no descriptor; only its last component, a plain name, is looked up by them. */
function entryPath(directory: number, name: RelativePath): Buffer {
  return Buffer.concat([Buffer.from(`${descriptorPath(directory)}/`), Buffer.from(name)]);
}
