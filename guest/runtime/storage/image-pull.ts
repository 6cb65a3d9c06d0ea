import { GuestError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
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
        : withTimeout(timeoutMs, context, (limited) => attachImage(storage, paths, containerId, puller, limited));
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
  paths: GuestPaths,
  containerId: string,
  puller: ImagePuller,
  context: AttachContext,
): Promise<Detach> {
  const rootfs = rootfsOf(paths, containerId);
  await puller.pullImage(storage.source, bundleOf(paths, containerId), context.signal);
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

/**
 * The annotations in the driver option `image_guest_pull={"metadata":{…}}`. Read strictly: with a name twice, the policy could have
 * seen the one and the guest act on the other.
 */
function parseMetadata(storage: Storage): Readonly<Record<string, string>> {
  const prefix = `${imagePullDriverName}=`;
  const option = storage.driver_options.find((candidate) => candidate.startsWith(prefix));
  if (option === undefined) throw new GuestError("internal", "missing Image information for ImagePull volume");
  const { metadata } = parseVolume(option.slice(prefix.length));
  const isText = (entry: [string, JsonValue]): entry is [string, string] => typeof entry[1] === "string";
  const texts = isJsonObject(metadata) ? Object.entries(metadata).filter(isText) : [];
  return Object.assign(Object.create(null), Object.fromEntries(texts));
}

function parseVolume(json: string): JsonObject {
  try {
    const volume = parseJson(json);
    if (isJsonObject(volume)) return volume;
  } catch (cause) {
    throw unacceptable(cause);
  }
  throw unacceptable();
}

function unacceptable(cause?: unknown): GuestError {
  return new GuestError("internal", "image information is not acceptable JSON", { cause });
}
