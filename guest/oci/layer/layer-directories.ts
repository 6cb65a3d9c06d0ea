import type { Directory } from "../../sys/directory.ts";
import type { FileStatus, Timestamp } from "../../sys/file-status.ts";
import { isErrno } from "../../sys/system-error.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import { quoteName, tarError } from "../tar/entry.ts";
import { type EntryPath, joinEntryPath } from "./entry-path.ts";
import { isWhiteout, makeOpaque } from "./whiteout.ts";

/**
 * The directories of a layer that is being unpacked: opens them, makes those that the archive takes for granted and
 * remembers these, since their owner and mode are for the layers below to say. The times of the others are set at the end,
 * since making an entry changes the time of its directory. Links on the way are followed inside the layer, as containerd
 * does; a link that leads to a place only the layers below have leads nowhere.
 */
export class LayerDirectories {
  readonly root: Directory;
  readonly #limits: Pick<ImageLimits, "maxDirectoryPathBytes">;
  /** Paths as Latin-1 text: one character a byte, so that bytes can be keys. */
  readonly #implied = new Set<string>();
  readonly #times = new Map<string, Timestamp>();
  /** Bytes of the paths in both. */
  #pathBytes = 0;
  /** Archives come sorted by directory: the last one is nearly always the next one, too. */
  #last: { readonly path: Buffer; readonly directory: Directory } | undefined;
  #opaqueRoot = false;

  /** @param root an empty directory, resolving links `in-root`; closed by {@link close} */
  constructor(root: Directory, limits: Pick<ImageLimits, "maxDirectoryPathBytes">) {
    this.root = root;
    this.#limits = limits;
  }

  /**
   * The directory at a path, made with its parents where it is missing. Valid until the next call.
   *
   * @throws ImageError `invalid-image` when something else is there, `limit`
   */
  open(path: EntryPath): Directory {
    if (path.length === 0) return this.root;
    const joined = joinEntryPath(path);
    if (this.#last?.path.equals(joined)) return this.#last.directory;
    const directory = this.#tryOpen(joined) ?? this.#makeAndOpen(path, joined);
    this.#last?.directory.close();
    this.#last = { path: joined, directory };
    return directory;
  }

  /**
   * Makes a directory unless it is there. One that this layer has hidden before comes back empty: it hides what the layers
   * below have at its place.
   *
   * @throws ImageError `invalid-image` when something else is there
   */
  make(parent: Directory, name: Buffer): void {
    try {
      parent.makeDirectory(name);
      return;
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    const present = parent.status(name);
    if (present.kind === "directory") return;
    if (!isWhiteout(present)) throw tarError(`${quoteName(name)} is both a directory and something else`);
    parent.unlink(name);
    parent.makeDirectory(name);
    makeOpaque(parent, name);
  }

  /**
   * Hides all that the layers below have in a directory.
   *
   * @throws ImageError `invalid-image` when it is reached by a link only
   */
  makeOpaque(path: EntryPath): void {
    const name = path.at(-1);
    if (name === undefined) {
      this.#opaqueRoot = true;
      return;
    }
    this.open(path);
    const parent = this.open(path.slice(0, -1));
    if (parent.status(name).kind !== "directory") throw tarError(`the opaque ${quoteName(name)} is a link`);
    makeOpaque(parent, name);
  }

  /** The whole layer hides what is below it. Overlayfs doesn't look for its attribute there: the mount must leave them out. */
  get opaqueRoot(): boolean {
    return this.#opaqueRoot;
  }

  /** An entry of the archive says what this directory is like. @throws ImageError `limit` */
  markExplicit(path: Buffer, modified: Timestamp): void {
    const key = this.#remember(path);
    this.#implied.delete(key);
    this.#times.set(key, modified);
  }

  /** Sets the times that the archive gives; nothing may be made in the directories any more. */
  applyTimes(): void {
    for (const [path, modified] of this.#times) this.root.changeTimes(Buffer.from(path, "latin1"), modified);
  }

  /** Directories that no entry of the archive describes. */
  implied(): Buffer[] {
    return [...this.#implied].map((path) => Buffer.from(path, "latin1"));
  }

  /** What is at a path; undefined also when its directory is missing. */
  statusIfPresent(path: Buffer): FileStatus | undefined {
    try {
      return this.root.statusIfPresent(path);
    } catch (error) {
      if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#last?.directory.close();
    this.#last = undefined;
    this.root.close();
  }

  #tryOpen(path: Buffer): Directory | undefined {
    try {
      return this.root.openDirectory(path);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      if (isErrno(error, "ELOOP")) throw tarError(`links at ${quoteName(path)} lead in a circle`);
      throw error;
    }
  }

  #remember(path: Buffer): string {
    const { maxDirectoryPathBytes } = this.#limits;
    this.#pathBytes += path.length;
    if (this.#pathBytes <= maxDirectoryPathBytes) return path.toString("latin1");
    throw new ImageError("limit", `the paths of the layer's directories have more than ${maxDirectoryPathBytes} bytes`);
  }

  #makeAndOpen(path: EntryPath, joined: Buffer): Directory {
    const name = path.at(-1) ?? joined;
    this.make(this.open(path.slice(0, -1)), name);
    this.#implied.add(this.#remember(joined));
    const made = this.#tryOpen(joined);
    if (made === undefined) throw tarError(`${quoteName(joined)} is a link that leads nowhere in the layer`);
    return made;
  }
}
