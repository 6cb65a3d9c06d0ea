import type { Directory } from "../../sys/directory.ts";
import type { FileStatus } from "../../sys/file-status.ts";
import { isOpaque } from "../layer/whiteout.ts";
import type { LayerRecord } from "./layer-record.ts";

/** A layer of a root that is about to be mounted. */
export interface VisibleLayer {
  readonly root: Directory;
  readonly record: LayerRecord;
}

/** A layer with its implied directories. Paths are Latin-1 text here: one character a byte, so that bytes can be keys. */
interface IndexedLayer {
  readonly root: Directory;
  readonly implied: ReadonlySet<string>;
}

/**
 * Prepares the writable directory of an overlay. In a merged directory the topmost layer's owner, mode and time count. A
 * layer that has a directory only because something lies in it (an implied one) would so override what a layer below says of
 * it: `/tmp` would lose its sticky bit. Layers are shared between images and stay as their archives describe them, so the
 * correction goes into the directory above: the implied directories with the metadata that the archives give them.
 *
 * @param parent holds the upper directory, which is empty
 * @param layers topmost first
 */
export function seedUpperDirectory(parent: Directory, name: string, layers: readonly VisibleLayer[]): void {
  using upper = parent.openDirectory(name);
  const corrections = findCorrections(layers.map(indexLayer));
  for (const path of corrections.keys()) upper.makeDirectory(asBytes(path));
  // From the inside out: making a directory changes the time of its parent.
  for (const [path, source] of [...corrections].reverse()) copyMetadata(source, upper, asBytes(path));
  const rootLayer = layers.find(({ record }) => record.hasRootEntry)?.root;
  if (rootLayer !== undefined) copyOwnerModeTime(rootLayer.status(), parent, Buffer.from(name));
}

function indexLayer({ root, record }: VisibleLayer): IndexedLayer {
  return { root, implied: new Set(record.impliedDirectories.map((path) => path.toString("latin1"))) };
}

/**
 * The directories that have to stand above the layers, parents first, each with the layer whose metadata it takes. Goes from the
 * root down and looks at a layer only where it shares the directory with another one: most have little in common.
 */
function findCorrections(layers: readonly IndexedLayer[]): ReadonlyMap<string, Directory> {
  const merged = new Map<string, readonly IndexedLayer[]>([["", layers]]);
  const corrections = new Map<string, Directory>();
  for (const path of impliedPaths(layers)) {
    const sharing = mergedLayers(path, merged.get(parentOf(path)) ?? []);
    if (sharing.length < 2) continue;
    merged.set(path, sharing);
    const describing = describingLayer(path, sharing);
    if (describing === undefined || describing === sharing[0]) continue;
    for (const prefix of [...prefixesOf(path)].reverse()) {
      const layersThere = merged.get(prefix) ?? [];
      const source = describingLayer(prefix, layersThere) ?? layersThere[0];
      if (source !== undefined) corrections.set(prefix, source.root);
    }
  }
  return corrections;
}

/** All implied directories and those above them, parents first. */
function impliedPaths(layers: readonly IndexedLayer[]): readonly string[] {
  const paths = new Set<string>();
  for (const { implied } of layers) {
    for (const path of implied) {
      for (const prefix of prefixesOf(path)) {
        if (paths.has(prefix)) break; // and so are those above it
        paths.add(prefix);
      }
    }
  }
  return [...paths].sort();
}

/**
 * The layers that overlayfs merges in a directory, topmost first: down to the first that has something else there or is opaque.
 *
 * @param layers those that it merges in the parent
 */
function mergedLayers(path: string, layers: readonly IndexedLayer[]): readonly IndexedLayer[] {
  const merged: IndexedLayer[] = [];
  for (const layer of layers) {
    const status = layer.root.statusIfPresent(asBytes(path));
    if (status === undefined) continue;
    if (status.kind !== "directory") break;
    merged.push(layer);
    if (isOpaque(layer.root, asBytes(path))) break;
  }
  return merged;
}

/** The topmost layer whose archive has an entry for a directory. */
function describingLayer(path: string, layers: readonly IndexedLayer[]): IndexedLayer | undefined {
  return layers.find(({ implied }) => !implied.has(path));
}

/** `a/b/c`, `a/b`, `a`. */
function* prefixesOf(path: string): Generator<string> {
  for (let prefix = path; prefix !== ""; prefix = parentOf(prefix)) yield prefix;
}

/** Empty for the root. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

function copyMetadata(source: Directory, upper: Directory, path: Buffer): void {
  for (const [attribute, value] of source.attributes(path)) {
    if (attribute.startsWith("user.")) upper.setAttribute(path, attribute, value);
  }
  copyOwnerModeTime(source.status(path), upper, path);
}

function copyOwnerModeTime({ uid, gid, mode, modified }: FileStatus, target: Directory, name: Buffer): void {
  target.changeOwner(name, uid, gid);
  target.changeMode(name, mode);
  target.changeTimes(name, modified);
}

function asBytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
