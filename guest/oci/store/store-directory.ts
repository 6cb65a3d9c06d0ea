import { randomUUID } from "node:crypto";
import type { Log } from "../../core/log.ts";
import { Directory } from "../../sys/directory.ts";
import { makeDirectories, readFileBounded, readFileIfPresent, writeFileAtomically } from "../../sys/file.ts";
import { mount, mountFlags, unmount } from "../../sys/mount.ts";
import { ImageError } from "../errors.ts";

/** Subdirectories of the store. */
export const storeFolders = {
  /** One directory a layer, named by its diff id; complete and proven, since they are renamed into place. */
  layers: "layers",
  /** Layers being unpacked. */
  staging: "staging",
  /** One directory a container: upper and work directory of its overlay. */
  overlay: "overlay",
} as const;

const bootIdFile = "boot-id";
const safePath = /^(\/[A-Za-z0-9_.-]+)+$/;

/**
 * Opens the image store: makes its folders, throws away what was half done when the program ended, and everything when the
 * machine was started anew since (what lies there was proven in another life). When its file system can't hold the upper
 * directory of an overlay, as one that is itself an overlay can't, a tmpfs is mounted over it.
 *
 * @param path absolute, of plain characters: overlayfs' options know separators
 * @throws ImageError `store`
 */
export function openStoreDirectory(path: string, log: Log): Directory {
  if (!safePath.test(path) || /\/\.\.?(\/|$)/.test(path))
    throw new ImageError("store", "image store: not a plain absolute path");
  try {
    makeDirectories(path, 0o700);
    ensureOverlayWorks(path, log);
    const store = Directory.open(path, { mounts: "refuse" });
    prepareFolders(store, path);
    return store;
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError("store", "the image store cannot be opened", { cause: error, fields: { path } });
  }
}

function prepareFolders(store: Directory, path: string): void {
  const bootId = readFileBounded("/proc/sys/kernel/random/boot_id", 64).toString().trim();
  const sameBoot = readFileIfPresent(`${path}/${bootIdFile}`, 64)?.toString() === bootId;
  for (const folder of Object.values(storeFolders)) {
    if (!sameBoot || folder === storeFolders.staging) store.removeTree(folder);
    if (store.statusIfPresent(folder) === undefined) store.makeDirectory(folder, 0o700);
  }
  if (!sameBoot) writeFileAtomically(`${path}/${bootIdFile}`, bootId);
}

function ensureOverlayWorks(path: string, log: Log): void {
  const failure = overlayFailure(path);
  if (failure === undefined) return;
  log.warn("image store cannot hold overlay directories, using memory instead", { path, error: failure });
  mount({
    source: "podkeep-images",
    target: path,
    type: "tmpfs",
    flags: mountFlags.nosuid | mountFlags.nodev,
    data: "mode=0700",
  });
  const again = overlayFailure(path);
  if (again === undefined) return;
  unmount(path, { lazy: true });
  throw new ImageError("store", "overlay file systems do not work here", { cause: again });
}

/** Mounts a small overlay with all that layers need: whiteouts, opaque directories, an upper directory. */
function overlayFailure(path: string): unknown {
  const name = `probe-${randomUUID()}`;
  using store = Directory.open(path);
  try {
    for (const folder of ["", "/lower", "/upper", "/work", "/root"]) store.makeDirectory(`${name}${folder}`, 0o700);
    store.makeNode(`${name}/lower/whiteout`, "character-device", 0);
    store.setAttribute(`${name}/lower`, "trusted.overlay.opaque", Buffer.from("y"));
    const base = `${path}/${name}`;
    const data = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
    mount({ source: "overlay", target: `${base}/root`, type: "overlay", data });
    unmount(`${base}/root`);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    store.removeTree(name);
  }
}
