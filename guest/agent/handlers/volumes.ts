import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { VolumeUsageUnit } from "../../rpc/messages/csi.ts";
import { openVolume } from "../../runtime/guest-volumes.ts";
import { tmpfsOption } from "../../runtime/storage/ephemeral.ts";
import { limitMemoryChange } from "../../runtime/storage/memory-limit.ts";
import { parseVolumeOptions } from "../../runtime/storage/storage-options.ts";
import { closeDescriptor, descriptorPath } from "../../sys/descriptor.ts";
import { filesystemStatistics } from "../../sys/filesystem-statistics.ts";
import { mount, mountFlags, parseMountOptions } from "../../sys/mount.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { quotedError } from "../errors.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** Volumes of the sandbox. */
export function volumeHandlers(
  sandbox: Sandbox,
  { paths }: AgentDependencies,
): AgentHandlers<"GetVolumeStats" | "UpdateEphemeralMounts" | "RemoveStaleVirtiofsShareMounts"> {
  return {
    GetVolumeStats: ({ volume_guest_path: path }) => {
      // Any other path would make it an oracle for files of the guest (threat 67).
      const fd = openVolume(path, paths, (root, relativePath) => root.openPath(relativePath));
      try {
        return volumeStatistics(fd);
      } finally {
        closeDescriptor(fd);
      }
    },
    UpdateEphemeralMounts: ({ storages }) => {
      // All are checked before one is changed.
      for (const storage of storages) requireOwnTmpfs(storage, sandbox);
      for (const storage of storages) {
        if (storage.options.length > 0)
          openVolume(storage.mount_point, paths, (root, path) => remount(storage, root.openPath(path)));
      }
      return {};
    },
    // There is no virtio-fs in a pod VM, so there are no mounts of it; the shim calls this after every stop.
    RemoveStaleVirtiofsShareMounts: () => ({}),
  };
}

function volumeStatistics(fd: number) {
  const { totalBytes, availableBytes, freeBytes, totalInodes, freeInodes } = filesystemStatistics(fd);
  return {
    usage: [
      { unit: VolumeUsageUnit.BYTES, total: totalBytes, available: availableBytes, used: totalBytes - freeBytes },
      { unit: VolumeUsageUnit.INODES, total: totalInodes, available: freeInodes, used: totalInodes - freeInodes },
    ],
    volume_condition: { abnormal: false, message: "OK" },
  };
}

/** Only memory volumes that this sandbox has made can be changed, and only as they could have been made (threat 70). */
function requireOwnTmpfs(storage: Storage, sandbox: Sandbox): void {
  if (storage.driver !== "ephemeral") {
    throw quotedError(
      "internal",
      `Failed to update mounts: Unsupported storage type for syncing mounts ${storage.driver.slice(0, 64)}`,
    );
  }
  if (sandbox.storages.driverAt(storage.mount_point) !== "ephemeral") {
    throw new GuestError("permission-denied", "no ephemeral storage is at the mount point");
  }
  parseVolumeOptions(storage, tmpfsOption);
}

function remount(storage: Storage, fd: number): void {
  try {
    const { mountOptions } = parseVolumeOptions(storage, tmpfsOption);
    const { flags, data } = parseMountOptions(limitMemoryChange(mountOptions));
    mount({
      source: "tmpfs",
      target: descriptorPath(fd),
      type: "tmpfs",
      flags: flags | mountFlags.remount | mountFlags.nosuid | mountFlags.nodev,
      data,
    });
  } finally {
    closeDescriptor(fd);
  }
}
