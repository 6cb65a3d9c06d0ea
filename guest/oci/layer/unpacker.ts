import { changeDescriptorMode, changeDescriptorOwner, closeDescriptor, writeDescriptor } from "../../sys/descriptor.ts";
import type { Directory } from "../../sys/directory.ts";
import type { Timestamp } from "../../sys/file-status.ts";
import { isErrno } from "../../sys/system-error.ts";
import type { ImageLimits } from "../limits.ts";
import { quoteName, type TarEntry, type TarHandler, tarError } from "../tar/entry.ts";
import { type EntryPath, joinEntryPath, parseEntryPath } from "./entry-path.ts";
import { LayerDirectories } from "./layer-directories.ts";
import { classifyName, isBookkeeping, isWhiteout, makeOpaque, makeWhiteout } from "./whiteout.ts";
import { setAllowedXattrs } from "./xattr.ts";

/** What an unpacked layer turned out to be. */
export interface UnpackedLayer {
  /** Entries that changed something; 0 for an empty layer. */
  readonly entries: number;
  /** Directories that the archive has no entry for, made because something lies in them; as paths from the root. */
  readonly impliedDirectories: readonly Buffer[];
  /** Whether the archive says what owner and mode the root has. */
  readonly hasRootEntry: boolean;
  /** Whether the archive hides all that the layers below have. */
  readonly opaqueRoot: boolean;
}

/** A file whose content is arriving. */
interface OpenFile {
  readonly fd: number;
  readonly directory: Directory;
  readonly name: Buffer;
  readonly entry: TarEntry;
}

const largestId = 0xffff_fffe; // 0xffffffff means "leave it" to chown(2)

/**
 * Writes the entries of one layer into a new directory, in overlayfs' form. All paths are resolved by the kernel beneath that
 * directory as if it were `/`, so a planted link leads nowhere else. Works synchronously: the archive is untrusted, and
 * nothing may happen between two of its entries.
 *
 * The directory must be thrown away when any method throws, and must not be used before the archive's digest is proven.
 */
export class LayerUnpacker implements TarHandler {
  readonly #parent: Directory;
  readonly #name: string;
  readonly #limits: ImageLimits;
  readonly #directories: LayerDirectories;
  #rootTime: Timestamp | undefined;
  #file: OpenFile | undefined;
  #entries = 0;

  /**
   * Makes the layer's root.
   *
   * @param parent where; stays the caller's
   * @param name of the root in it
   * @throws SystemError EEXIST when it is there
   */
  constructor(parent: Directory, name: string, limits: ImageLimits) {
    parent.makeDirectory(name, 0o755);
    this.#parent = parent;
    this.#name = name;
    this.#limits = limits;
    this.#directories = new LayerDirectories(parent.openDirectory(name, { symlinks: "in-root" }), limits);
  }

  /** @throws ImageError `invalid-image`, `limit`; SystemError of the file system, such as ENOSPC */
  beginEntry(entry: TarEntry): void {
    if (entry.uid > largestId || entry.gid > largestId)
      throw tarError(`owner of ${quoteName(entry.path)} out of range`);
    const path = parseEntryPath(entry.path, this.#limits);
    if (isBookkeeping(path)) return;
    const name = path.at(-1);
    this.#entries++;
    if (name === undefined) this.#setRoot(entry);
    else this.#place(entry, path, name);
  }

  content(chunk: Buffer): void {
    if (this.#file !== undefined) writeDescriptor(this.#file.fd, chunk);
  }

  endEntry(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      changeDescriptorOwner(file.fd, file.entry.uid, file.entry.gid);
      changeDescriptorMode(file.fd, file.entry.mode);
      setAllowedXattrs(file.directory, file.name, file.entry, this.#limits);
      file.directory.changeTimes(file.name, timestamp(file.entry));
    } finally {
      closeDescriptor(file.fd);
    }
  }

  /** Ends the layer. */
  finish(): UnpackedLayer {
    this.#directories.applyTimes();
    if (this.#rootTime !== undefined) this.#parent.changeTimes(this.#name, this.#rootTime);
    return {
      entries: this.#entries,
      impliedDirectories: this.#directories.implied(),
      hasRootEntry: this.#rootTime !== undefined,
      opaqueRoot: this.#directories.opaqueRoot,
    };
  }

  /** Lets go of descriptors, also after a failure. */
  close(): void {
    if (this.#file !== undefined) closeDescriptor(this.#file.fd);
    this.#file = undefined;
    this.#directories.close();
  }

  #setRoot(entry: TarEntry): void {
    if (entry.type !== "directory") throw tarError("the root is no directory");
    this.#directories.root.changeOwnerAndMode(entry.uid, entry.gid, entry.mode);
    this.#rootTime = timestamp(entry);
  }

  #place(entry: TarEntry, path: EntryPath, name: Buffer): void {
    const parent = path.slice(0, -1);
    const meaning = classifyName(name);
    if (meaning.kind === "opaque") this.#directories.makeOpaque(parent);
    else if (meaning.kind === "whiteout") placeWhiteout(this.#directories.open(parent), meaning.hidden);
    else if (entry.type === "directory") this.#placeDirectory(entry, path, name);
    else if (entry.type === "hard-link") this.#placeHardLink(entry, path, name);
    else this.#placeOther(entry, this.#directories.open(parent), name);
  }

  #placeDirectory(entry: TarEntry, path: EntryPath, name: Buffer): void {
    const parent = this.#directories.open(path.slice(0, -1));
    this.#directories.make(parent, name);
    parent.changeOwner(name, entry.uid, entry.gid);
    parent.changeMode(name, entry.mode);
    setAllowedXattrs(parent, name, entry, this.#limits);
    this.#directories.markExplicit(joinEntryPath(path), timestamp(entry));
  }

  #placeOther(entry: TarEntry, directory: Directory, name: Buffer): void {
    if (entry.type === "file") {
      const fd = replacing(directory, name, entry, () => directory.createFile(name));
      this.#file = { fd, directory, name: Buffer.from(name), entry };
      return;
    }
    replacing(directory, name, entry, () => makeSpecial(directory, name, entry));
    directory.changeOwner(name, entry.uid, entry.gid);
    if (entry.type !== "symbolic-link") directory.changeMode(name, entry.mode);
    directory.changeTimes(name, timestamp(entry));
  }

  /** The target is another entry of this archive; what only the layers below have can't be linked to. */
  #placeHardLink(entry: TarEntry, path: EntryPath, name: Buffer): void {
    const directory = this.#directories.open(path.slice(0, -1));
    const target = parseEntryPath(entry.linkTarget, this.#limits);
    const joined = joinEntryPath(target);
    const status = target.length === 0 ? undefined : this.#directories.statusIfPresent(joined);
    if (status === undefined || status.kind === "directory" || isWhiteout(status)) {
      throw tarError(
        `hard link ${quoteName(entry.path)} to ${quoteName(entry.linkTarget)}, which is no file of the layer`,
      );
    }
    const present = directory.statusIfPresent(name);
    if (present?.inode === status.inode) return;
    replacing(directory, name, entry, () => this.#directories.root.link(joined, joinEntryPath(path)));
  }
}

/** Runs an action that makes an entry; when the name is taken by anything but a directory, that is removed first. */
function replacing<T>(directory: Directory, name: Buffer, entry: TarEntry, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
  if (directory.status(name).kind === "directory") {
    throw tarError(`${quoteName(entry.path)} is both a directory and something else`);
  }
  directory.unlink(name);
  return make();
}

function makeSpecial(directory: Directory, name: Buffer, entry: TarEntry): void {
  const { type, mode, deviceMajor: major, deviceMinor: minor } = entry;
  if (type === "symbolic-link") {
    if (entry.linkTarget.length === 0) throw tarError(`symbolic link ${quoteName(entry.path)} without a target`);
    directory.symlink(entry.linkTarget, name);
  } else if (type === "fifo") directory.makeNode(name, "fifo", mode);
  else if (type === "character-device" || type === "block-device") {
    // Overlayfs takes a character device 0:0 as a whiteout.
    if (major === 0 && minor === 0) throw tarError(`${quoteName(entry.path)} is a device 0:0`);
    if (major > 0xfff || minor > 0xfffff) throw tarError(`device number of ${quoteName(entry.path)} out of range`);
    directory.makeNode(name, type, mode, { major, minor });
  }
}

/** Whiteouts concern the layers below only: what this layer has itself stays, a directory then hides the one below. */
function placeWhiteout(directory: Directory, hidden: Buffer): void {
  const present = directory.statusIfPresent(hidden);
  if (present === undefined) makeWhiteout(directory, hidden);
  else if (present.kind === "directory") makeOpaque(directory, hidden);
}

function timestamp({ modifiedNs }: TarEntry): Timestamp {
  const remainder = modifiedNs % 1_000_000_000n;
  const nanoseconds = remainder < 0n ? remainder + 1_000_000_000n : remainder;
  return { seconds: (modifiedNs - nanoseconds) / 1_000_000_000n, nanoseconds: Number(nanoseconds) };
}
