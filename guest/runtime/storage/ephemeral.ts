import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { mount, mountFlags, parseMountOptions } from "../../sys/mount.ts";
import type { GuestPaths } from "../guest-paths.ts";
import { reserveHugePages } from "./huge-pages.ts";
import { limitMemory } from "./memory-limit.ts";
import { MountPlace, makeReadonly } from "./mount-place.ts";
import type { StorageDriver } from "./storage-driver.ts";
import { parseVolumeOptions, type VolumeOptions, volumeMode } from "./storage-options.ts";

/** A volume's memory may be limited, its use restricted; nothing that widens it. */
export const tmpfsOption =
  /^(?:noexec|nosuid|nodev|noatime|relatime|rw|ro|(?:size|nr_inodes|nr_blocks)=\d{1,19}[kmgKMG%]?)$/u;
const hugetlbfsOption = /^(?:nosuid|nodev|noexec|(?:pagesize|size)=\d{1,19})$/u;

/**
 * `ephemeral`: memory. fstype `tmpfs` is the pod's shared memory or an emptyDir with medium Memory, `hugetlbfs` one of huge
 * pages (spec/agent-rpc.md 8). Options are honoured, where the reference drops them. Lives as long as the sandbox.
 */
export function createEphemeralDriver(paths: GuestPaths): StorageDriver {
  return {
    name: "ephemeral",
    lifetime: "sandbox",
    attach(storage) {
      const options = parseVolumeOptions(storage, optionsOf(storage));
      const place = new MountPlace(paths.base, storage.mount_point, [paths.sandboxStorage]);
      if (storage.fstype === "tmpfs") {
        mountMemory(storage, { ...options, mountOptions: limitMemory(options.mountOptions) }, place);
        return place.unmount;
      }
      const giveBack = reserveHugePages(options.mountOptions);
      try {
        mountMemory(storage, options, place);
      } catch (error) {
        giveBack();
        throw error;
      }
      return () => {
        place.unmount();
        giveBack();
      };
    },
  };
}

function mountMemory({ fstype, mount_point }: Storage, options: VolumeOptions, place: MountPlace): void {
  const { flags, data } = parseMountOptions(options.mountOptions);
  const atFirst = (flags & ~mountFlags.readonly) | mountFlags.nosuid | mountFlags.nodev;
  place.mount(
    (target) => mount({ source: fstype, target: target.path, type: fstype, flags: atFirst, data }),
    (root) => {
      root.changeOwnerAndMode(0, options.groupId ?? 0, volumeMode(options, 0o1777));
      if ((flags & mountFlags.readonly) !== 0) makeReadonly(root, mount_point);
    },
  );
}

function optionsOf(storage: Storage): RegExp {
  if (storage.fstype === "tmpfs") return tmpfsOption;
  if (storage.fstype === "hugetlbfs") return hugetlbfsOption;
  throw new GuestError("permission-denied", "file system type is not allowed for ephemeral", {
    fields: { fstype: storage.fstype },
  });
}
