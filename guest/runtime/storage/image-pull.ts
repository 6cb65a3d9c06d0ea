import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { Directory } from "../../sys/directory.ts";
import { isMountPoint, unmount } from "../../sys/mount.ts";
import { bundleOf, type GuestPaths, rootfsOf } from "../guest-paths.ts";
import type { ImagePuller } from "../image-puller.ts";
import { copyPauseProgram } from "../pause-bundle.ts";
import { isSandboxContainer } from "../sandbox-annotation.ts";
import type { AttachContext, Detach, StorageDriver } from "./storage-driver.ts";

export const imagePullDriverName = "image_guest_pull";

/**
 * `image_guest_pull`: a container's root file system (spec/agent-rpc.md 9). For the pause container it is made from the measured
 * pause bundle, for any other the image is pulled. It is the only source of root file systems (threats 37, 38).
 *
 * @param timeoutMs how long a pull may take
 */
export function createImagePullDriver(paths: GuestPaths, puller: ImagePuller, timeoutMs: number): StorageDriver {
  return {
    name: imagePullDriverName,
    lifetime: "container",
    attach(storage, context) {
      const containerId = requirePlace(storage, context, paths);
      const metadata = parseMetadata(storage);
      // What the storage says and what the policy has seen in the spec must be the same (threat 39).
      if (isSandboxContainer(metadata) !== context.isSandboxContainer) {
        throw new GuestError("permission-denied", "image and spec disagree on whether this is the sandbox container");
      }
      return context.isSandboxContainer
        ? attachPause(paths, containerId)
        : withTimeout(timeoutMs, context, (limited) =>
            attachImage(storage, metadata, paths, containerId, puller, limited),
          );
    },
  };
}

function requirePlace(storage: Storage, { containerId }: AttachContext, paths: GuestPaths): string {
  if (containerId === undefined || storage.mount_point !== rootfsOf(paths, containerId)) {
    throw new GuestError("permission-denied", "an image belongs at its container's root file system", {
      fields: { path: storage.mount_point },
    });
  }
  return containerId;
}

function attachPause(paths: GuestPaths, containerId: string): Detach {
  {
    using bundle = Directory.open(bundleOf(paths, containerId));
    bundle.makeDirectory("rootfs", 0o755);
  }
  copyPauseProgram(paths.pauseBundle, rootfsOf(paths, containerId));
  // It goes with the bundle.
  return () => {};
}

async function attachImage(
  storage: Storage,
  metadata: Readonly<Record<string, string>>,
  paths: GuestPaths,
  containerId: string,
  puller: ImagePuller,
  context: AttachContext,
): Promise<Detach> {
  const rootfs = rootfsOf(paths, containerId);
  await puller.pullImage(storage.source, bundleOf(paths, containerId), metadata, context.signal);
  if (!isMountPoint(rootfs)) throw new GuestError("internal", "the image has no mounted root file system");
  context.log.info("image is ready", { containerId, image: storage.source });
  return () => unmount(rootfs, { lazy: true });
}

async function withTimeout<T>(
  timeoutMs: number,
  context: AttachContext,
  action: (context: AttachContext) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new GuestError("deadline-exceeded", "the image takes too long to pull")),
    timeoutMs,
  );
  return await action({ ...context, signal: AbortSignal.any([context.signal, timeout.signal]) }).finally(() =>
    clearTimeout(timer),
  );
}

/** The annotations in the driver option `image_guest_pull={"metadata":{…}}`. */
function parseMetadata(storage: Storage): Readonly<Record<string, string>> {
  const prefix = `${imagePullDriverName}=`;
  const option = storage.driver_options.find((candidate) => candidate.startsWith(prefix));
  if (option === undefined) throw new GuestError("internal", "missing Image information for ImagePull volume");
  const metadata = metadataOf(option.slice(prefix.length));
  const entries = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}

function metadataOf(json: string): object {
  try {
    const volume: unknown = JSON.parse(json);
    if (typeof volume === "object" && volume !== null && "metadata" in volume) {
      if (typeof volume.metadata === "object" && volume.metadata !== null) return volume.metadata;
    }
    return {};
  } catch (error) {
    throw new GuestError("internal", "image information is not JSON", { cause: error });
  }
}
