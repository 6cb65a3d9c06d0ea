import { createHash } from "node:crypto";
import { describeFailure } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Directory } from "../../sys/directory.ts";
import { makeDirectories, readFileBounded, writeFileAtomically } from "../../sys/file.ts";
import { type MountEntry, mount, mountFlags, readMountTable, unmount } from "../../sys/mount.ts";
import { isErrno } from "../../sys/system-error.ts";
import { type Digest, parseDigest } from "../digest.ts";
import { ImageError } from "../errors.ts";
import type { LayerRecord } from "./layer-record.ts";
import type { LayerStore } from "./layer-store.ts";
import { storeFolders } from "./store-directory.ts";
import { seedUpperDirectory } from "./upper-directory.ts";

/** A layer to be mounted. */
export interface RootLayer {
  readonly diffId: Digest;
  readonly record: LayerRecord;
}

const layersFile = "layers";
const maxLayersFileBytes = 64 * 1024;
const rootfsName = "rootfs";

/**
 * The root file systems of containers: overlays of a writable directory in the store over shared read-only layers, mounted at
 * `<bundle>/rootfs`.
 */
export class OverlayRoots {
  readonly #path: string;
  readonly #store: Directory;
  readonly #layers: LayerStore;
  readonly #log: Log;

  /** @param store the opened store, from `openStoreDirectory`; @param path its path */
  constructor(store: Directory, path: string, layers: LayerStore, log: Log) {
    this.#store = store;
    this.#path = path;
    this.#layers = layers;
    this.#log = log;
  }

  /**
   * Mounts a root. The bundle's directory is made when it is missing.
   *
   * @param layers bottom layer first, each diff id once
   * @returns the path of the root, `<bundle>/rootfs`
   * @throws ImageError `store`; nothing stays mounted or made then, but for the bundle's directory
   */
  mount(bundlePath: string, layers: readonly RootLayer[]): string {
    const name = rootName(bundlePath);
    if (this.#mountPoints(name).length > 0) throw new ImageError("store", "the bundle's root is mounted already");
    try {
      this.#prepare(name, layers);
      this.#mountOverlay(name, bundlePath, layers);
      return `${bundlePath}/${rootfsName}`;
    } catch (error) {
      this.#store.removeTree(overlayPath(name));
      if (error instanceof ImageError) throw error;
      throw new ImageError("store", "Failed to create bundle", { cause: error, fields: { bundlePath } });
    }
  }

  /** Unmounts a bundle's root if it is mounted, and removes what the container wrote. */
  release(bundlePath: string): void {
    const name = rootName(bundlePath);
    for (const mountPoint of this.#mountPoints(name)) unmount(mountPoint);
    this.#store.removeTree(overlayPath(name));
  }

  /**
   * Removes what containers wrote whose roots somebody else has unmounted, as the agent does. What can't be removed stays:
   * by a tree that is too deep a container could keep others from being started.
   */
  removeAbandoned(): void {
    const table = readMountTable();
    for (const name of this.#names()) {
      if (this.#mountPoints(name, table).length > 0) continue;
      try {
        this.#store.removeTree(overlayPath(name));
      } catch (error) {
        this.#log.warn("what a container wrote can't be removed", { name, error: describeFailure(error) });
      }
    }
  }

  /** The layers that mounted roots consist of. */
  usedLayers(): Set<Digest> {
    const table = readMountTable();
    const mounted = this.#names().filter((name) => this.#mountPoints(name, table).length > 0);
    const lines = mounted.flatMap((name) => {
      const file = `${this.#path}/${overlayPath(name)}/${layersFile}`;
      return readFileBounded(file, maxLayersFileBytes).toString().split("\n");
    });
    return new Set(lines.map((line) => parseDigest(line, "a layer of a mounted root", "store")));
  }

  /** Where a root is mounted, told by its upper directory: the bundle's path may be another by way of links. */
  #mountPoints(name: string, table: readonly MountEntry[] = readMountTable()): string[] {
    const option = `upperdir=${this.#path}/${overlayPath(name)}/upperdir`;
    const mounts = table.filter(({ type, superOptions }) => type === "overlay" && superOptions.includes(option));
    return mounts.map(({ mountPoint }) => mountPoint);
  }

  #names(): string[] {
    using overlays = this.#store.openDirectory(storeFolders.overlay);
    return overlays.list().map((name) => name.toString("latin1"));
  }

  #prepare(name: string, layers: readonly RootLayer[]): void {
    this.#store.removeTree(overlayPath(name));
    this.#store.makeDirectory(overlayPath(name), 0o700);
    this.#store.makeDirectory(`${overlayPath(name)}/workdir`, 0o700);
    this.#store.makeDirectory(`${overlayPath(name)}/upperdir`, 0o755);
    const diffIds = layers.map(({ diffId }) => diffId).join("\n");
    writeFileAtomically(`${this.#path}/${overlayPath(name)}/${layersFile}`, diffIds);
  }

  #mountOverlay(name: string, bundlePath: string, layers: readonly RootLayer[]): void {
    makeDirectories(bundlePath, 0o700);
    using bundle = Directory.open(bundlePath);
    makeUnlessThere(bundle, rootfsName);
    // No link, and nothing mounted there: the rules of Directory.
    using target = bundle.openDirectory(rootfsName);
    using disposables = new DisposableStack();
    // Topmost first, as overlayfs counts. By descriptor: short, so that 200 fit into the page that mount(2) copies.
    const opened = layers.toReversed().map(({ diffId, record }) => {
      return { root: disposables.use(this.#layers.openRoot(diffId)), record };
    });
    const visible = cutBelowOpaque(opened);
    using parent = this.#store.openDirectory(overlayPath(name));
    seedUpperDirectory(parent, "upperdir", visible);
    const base = `${this.#path}/${overlayPath(name)}`;
    const lower = visible.map(({ root }) => root.path).join(":");
    mount({
      source: "overlay",
      target: target.path,
      type: "overlay",
      // Device nodes belong into the container's /dev, which is a file system of its own.
      flags: mountFlags.nodev,
      data: `lowerdir=${lower},upperdir=${base}/upperdir,workdir=${base}/workdir`,
    });
  }
}

/** The layers down to the first that hides all below it. */
function cutBelowOpaque<T extends { readonly record: LayerRecord }>(layers: readonly T[]): readonly T[] {
  const opaque = layers.findIndex(({ record }) => record.opaqueRoot);
  return opaque < 0 ? layers : layers.slice(0, opaque + 1);
}

function makeUnlessThere(directory: Directory, name: string): void {
  try {
    directory.makeDirectory(name, 0o755);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/** One name a bundle, so that a root is found again by its bundle, also after a restart. */
function rootName(bundlePath: string): string {
  return createHash("sha256").update(bundlePath).digest("hex");
}

function overlayPath(name: string): string {
  return `${storeFolders.overlay}/${name}`;
}
