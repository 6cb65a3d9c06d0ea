import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { Directory } from "../../sys/directory.ts";
import { mount, mountFlags } from "../../sys/mount.ts";
import type { GuestPaths } from "../guest-paths.ts";
import { isNormalizedBelow, MountPlace } from "./mount-place.ts";
import type { AttachContext, StorageDriver } from "./storage-driver.ts";
import { refuseOption } from "./storage-options.ts";

const writableOption = "io.katacontainers.fs-opt.overlay-rw";
const createDirectoryOption = "io.katacontainers.volume.overlayfs.create_directory=";

/** Most lower directories; the kernel's page of mount data holds no more of them. */
const maxLowerDirectories = 64;

/**
 * `overlayfs`: directories of the guest laid over each other (spec/agent-rpc.md 8). Options: `lowerdir=a:b`, and
 * `io.katacontainers.fs-opt.overlay-rw` for an upper layer of the container's own. Never a container's root file system: that
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
      const upper = storage.options.includes(writableOption) ? upperLayerOf(context, paths) : undefined;
      try {
        const data = [
          `lowerdir=${layers.join(":")}`,
          ...(upper === undefined ? [] : makeUpperLayer(upper, base, held)),
        ];
        const flags = mountFlags.nodev | mountFlags.nosuid;
        const request = { source: "overlay", type: "overlay", flags, data: data.join(",") };
        place.mount((target) => mount({ ...request, target: target.path }));
      } catch (error) {
        removeUpperLayer(upper, paths);
        throw error;
      }
      return () => {
        place.unmount();
        removeUpperLayer(upper, paths);
      };
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

/** Below the base: the place of what a container writes to one of its overlays. */
function upperLayerOf({ containerId }: AttachContext, paths: GuestPaths): string {
  if (containerId === undefined) throw new GuestError("internal", "a writable overlay needs a container");
  return posix.join(posix.relative(paths.base, paths.overlays), randomUUID());
}

/** Mount options for the upper and the work directory, both new. */
function makeUpperLayer(layer: string, base: Directory, held: DisposableStack): string[] {
  return (["upperdir", "workdir"] as const).map((name) => {
    base.makeDirectories(posix.join(layer, name), 0o755);
    return `${name}=${held.use(base.openDirectory(posix.join(layer, name))).path}`;
  });
}

function removeUpperLayer(layer: string | undefined, paths: GuestPaths): void {
  if (layer === undefined) return;
  using base = Directory.open(paths.base, { mounts: "cross" });
  base.removeTree(layer);
}
