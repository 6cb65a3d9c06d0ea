import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { Directory } from "../../sys/directory.ts";
import { mount, mountFlags } from "../../sys/mount.ts";
import { bundleOf, type GuestPaths } from "../guest-paths.ts";
import { isNormalizedBelow, MountPlace } from "./mount-place.ts";
import type { AttachContext, StorageDriver } from "./storage-driver.ts";
import { refuseOption } from "./storage-options.ts";

const writableOption = "io.katacontainers.fs-opt.overlay-rw";
const createDirectoryOption = "io.katacontainers.volume.overlayfs.create_directory=";

/** Most lower directories; the kernel's page of mount data holds no more of them. */
const maxLowerDirectories = 64;

/**
 * `overlayfs`: directories of the guest laid over each other (spec/agent-rpc.md 8). Options: `lowerdir=a:b`, and
 * `io.katacontainers.fs-opt.overlay-rw` for an upper layer in the container's bundle. Never a container's root file system: that
 * comes from a pulled image only (threat 38).
 */
export function createOverlayDriver(paths: GuestPaths): StorageDriver {
  const sources = [paths.sharedContainers, paths.sandboxStorage];
  return {
    name: "overlayfs",
    lifetime: "container",
    attach(storage, context) {
      const lower = lowerDirectories(storage, sources);
      const place = new MountPlace(paths.base, storage.mount_point, [paths.sandboxStorage]);
      using base = Directory.open(paths.base, { mounts: "cross" });
      createRequestedDirectory(storage, paths, base);
      using held = new DisposableStack();
      const layers = lower.map((path) => held.use(base.openDirectory(posix.relative(paths.base, path))).path);
      const data = [`lowerdir=${layers.join(":")}`, ...upperLayer(storage, context, paths, base, held)].join(",");
      const flags = mountFlags.nodev | mountFlags.nosuid;
      place.mount((target) => mount({ source: "overlay", target: target.path, type: "overlay", flags, data })).close();
      return place.unmount;
    },
  };
}

function lowerDirectories(storage: Storage, roots: readonly string[]): string[] {
  const lower: string[] = [];
  for (const option of storage.options) {
    if (option.startsWith("lowerdir=")) lower.push(...option.slice("lowerdir=".length).split(":"));
    else if (option !== writableOption) refuseOption(storage, option);
  }
  if (lower.length === 0 || lower.length > maxLowerDirectories)
    throw new GuestError("internal", "overlay has no usable lowerdir");
  for (const path of lower) {
    if (!isNormalizedBelow(path, roots))
      throw new GuestError("permission-denied", "overlay directory is not allowed", { fields: { path } });
  }
  return lower;
}

function createRequestedDirectory(storage: Storage, paths: GuestPaths, base: Directory): void {
  for (const option of storage.driver_options) {
    if (!option.startsWith(createDirectoryOption)) refuseOption(storage, option);
    const path = option.slice(createDirectoryOption.length);
    if (!isNormalizedBelow(path, [paths.sandboxStorage])) refuseOption(storage, option);
    base.makeDirectories(posix.relative(paths.base, path));
  }
}

/** Upper and work directory in the bundle, which goes away with the container. */
function upperLayer(
  storage: Storage,
  context: AttachContext,
  paths: GuestPaths,
  base: Directory,
  held: DisposableStack,
): string[] {
  if (!storage.options.includes(writableOption)) return [];
  if (context.containerId === undefined) throw new GuestError("internal", "a writable overlay needs a container");
  const layer = posix.join(
    posix.relative(paths.base, bundleOf(paths, context.containerId)),
    "overlays",
    posix.basename(storage.mount_point),
  );
  return (["upperdir", "workdir"] as const).map((name) => {
    base.makeDirectories(posix.join(layer, name), 0o755);
    return `${name}=${held.use(base.openDirectory(posix.join(layer, name))).path}`;
  });
}
