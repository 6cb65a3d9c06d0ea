import type { Directory } from "../../sys/directory.ts";
import type { FileStatus } from "../../sys/file-status.ts";
import { isErrno } from "../../sys/system-error.ts";
import { isOpaque } from "../layer/whiteout.ts";
import type { LayerRecord } from "./layer-record.ts";

/** A layer of a root that is about to be mounted. */
export interface VisibleLayer {
  readonly root: Directory;
  readonly record: LayerRecord;
}

/** A layer with its implied directories by path, as Latin-1 text: one character a byte. */
interface IndexedLayer {
  readonly root: Directory;
  readonly implied: ReadonlySet<string>;
}

const slash = 0x2f;

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
  const indexed = layers.map(({ root, record }) => ({ root, implied: new Set(record.impliedDirectories.map(asText)) }));
  const paths = new Set(indexed.flatMap(({ implied }) => [...implied]));
  using upper = parent.openDirectory(name);
  for (const path of [...paths].sort().map(asBytes)) {
    if (describingLayer(path, indexed) !== undefined) makeAsMerged(upper, path, indexed);
  }
  const rootLayer = layers.find(({ record }) => record.hasRootEntry)?.root;
  if (rootLayer !== undefined) copyOwnerModeTime(rootLayer.status(), parent, Buffer.from(name));
}

/** Makes a directory and its parents in the upper one, each as it looks in the layers together. */
function makeAsMerged(upper: Directory, path: Buffer, layers: readonly IndexedLayer[]): void {
  const prefixes = [...prefixesOf(path)];
  for (const prefix of prefixes) {
    if (upper.statusIfPresent(prefix) === undefined) upper.makeDirectory(prefix);
  }
  // From the inside out: making a directory changes the time of its parent.
  for (const prefix of prefixes.reverse()) {
    const source = describingLayer(prefix, layers) ?? layers.find(({ root }) => isDirectory(root, prefix))?.root;
    if (source === undefined) continue;
    for (const [attribute, value] of source.attributes(prefix)) {
      if (attribute.startsWith("user.")) upper.setAttribute(prefix, attribute, value);
    }
    copyOwnerModeTime(source.status(prefix), upper, prefix);
  }
}

/** The topmost layer whose archive has an entry for this directory, unless a layer above hides it. */
function describingLayer(path: Buffer, layers: readonly IndexedLayer[]): Directory | undefined {
  for (const { root, implied } of layers) {
    const status = statusOf(root, path);
    if (status?.kind === "directory" && !implied.has(asText(path))) return root;
    if (hidesBelow(root, path)) return undefined;
  }
  return undefined;
}

/** Whether a layer hides a path from those below it: the path or a parent of it is opaque or no directory. */
function hidesBelow(root: Directory, path: Buffer): boolean {
  for (const prefix of prefixesOf(path)) {
    const status = statusOf(root, prefix);
    if (status === undefined) return false;
    if (status.kind !== "directory" || isOpaque(root, prefix)) return true;
  }
  return false;
}

/** `a`, `a/b`, `a/b/c`. */
function* prefixesOf(path: Buffer): Generator<Buffer> {
  for (let end = path.indexOf(slash); end >= 0; end = path.indexOf(slash, end + 1)) yield path.subarray(0, end);
  yield path;
}

function isDirectory(root: Directory, path: Buffer): boolean {
  return statusOf(root, path)?.kind === "directory";
}

function statusOf(root: Directory, path: Buffer): FileStatus | undefined {
  try {
    return root.statusIfPresent(path);
  } catch (error) {
    // The way there is blocked by a file or link in this layer.
    if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

function copyOwnerModeTime({ uid, gid, mode, modified }: FileStatus, target: Directory, name: Buffer): void {
  target.changeOwner(name, uid, gid);
  target.changeMode(name, mode);
  target.changeTimes(name, modified);
}

function asText(path: Buffer): string {
  return path.toString("latin1");
}

function asBytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
