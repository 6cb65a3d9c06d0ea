import { randomUUID } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Mutex } from "../../runtime/mutex.ts";
import type { BlockDevice } from "../../sys/block-device.ts";
import type { SecureMounter } from "../data-hub/data-hub.ts";
import type { UnsealOptions } from "../sealed-secret/unseal.ts";
import { makeExt4 } from "./ext4.ts";
import { type Mapping, openEncrypted, openEphemeral } from "./mapping.ts";
import { refuseToFormat } from "./signature.ts";
import type { StorageTools } from "./storage-tools.ts";
import { fetchVolumeKey } from "./volume-key.ts";
import { type BlockVolume, parseBlockVolume } from "./volume-request.ts";
import { volumeTarget } from "./volume-target.ts";

/** What SecureMount is made of. */
export interface SecureMountParts {
  readonly tools: StorageTools;
  /** In memory, for root only. */
  readonly headerDirectory: string;
  /** Directories below which volumes may appear. */
  readonly mountRoots: readonly string[];
  readonly keys: UnsealOptions;
  readonly log: Log;
}

/** Volumes that are mounted for others. */
export interface SecureMounts extends SecureMounter {
  /**
   * Waits until a volume that is being opened is mounted, or taken back. All that are mounted stay: containers use them, and this
   * program may be started anew at any time. Who asked for one closes it (spec/secure-mount.md 5.2), or it goes with the VM.
   */
  close(): Promise<void>;
}

/** LUKS2 volumes (spec/secure-mount.md): formatted for this VM's life, or opened with a key that the owner keeps elsewhere. */
export function createSecureMounts({ tools, headerDirectory, mountRoots, keys, log }: SecureMountParts): SecureMounts {
  // One after the other: deriving a key may take half of the memory.
  const mutex = new Mutex();

  return {
    async mount(request, signal) {
      const volume = parseBlockVolume(request);
      const device = tools.findDevice(volume.device);
      await mutex.run(() => mountVolume(volume, device, signal));
      log.info("volume is mounted", { device: device.path, mountPoint: volume.mountPoint, source: volume.source });
    },
    close: () => mutex.run(() => {}),
  };

  async function mountVolume(volume: BlockVolume, device: BlockDevice, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (tools.isInUse(device)) throw new GuestError("failed-precondition", "SecureMount: the device is in use");
    const attach = volumeTarget(volume, mountRoots, tools);
    const mapping = await open(volume, device, signal);
    try {
      if (volume.source === "empty" && volume.target === "fileSystem") {
        const options = { arguments: volume.mkfsOptions, unreadable: volume.integrity };
        await makeExt4(mapping.path, options, tools, signal);
      }
      signal.throwIfAborted();
      attach(mapping.path);
    } catch (error) {
      await mapping.close().catch((failure: unknown) => log.error("a volume stays open", { error: failure }));
      throw error;
    }
  }

  async function open(volume: BlockVolume, device: BlockDevice, signal: AbortSignal): Promise<Mapping> {
    const options = { name: volume.mapperName ?? randomUUID(), integrity: volume.integrity };
    const parts = { tools, headerDirectory, signal };
    if (volume.key === undefined) {
      await refuseToFormat(device, tools, signal);
      return await openEphemeral(device, options, parts);
    }
    const key = await fetchVolumeKey(volume.key, keys, signal);
    try {
      return await openEncrypted(device, options, key, parts);
    } finally {
      key.fill(0);
    }
  }
}
