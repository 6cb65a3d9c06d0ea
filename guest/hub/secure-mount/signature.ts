import { GuestError } from "../../core/errors.ts";
import type { BlockDevice } from "../../sys/block-device.ts";
import { endedWith, type StorageTools } from "./storage-tools.ts";

/** blkid(8): nothing was found, or the device can't be read. */
const nothingFound = 2;

/**
 * Refuses a device that holds something: it may be the owner's data, which a host calls empty (threat model row 118).
 *
 * @throws GuestError `failed-precondition` when there is a file system, a partition table, LUKS or the like on it; SystemError when that
 *   can't be read
 */
export async function refuseToFormat(
  device: BlockDevice,
  tools: Pick<StorageTools, "run" | "readEnds">,
  signal: AbortSignal,
): Promise<void> {
  // What could be read is in the kernel's cache, where blkid finds it.
  tools.readEnds(device);
  try {
    await tools.run("blkid", ["--probe", "--", device.path], { signal });
  } catch (error) {
    if (endedWith(error, nothingFound)) return;
    throw error;
  }
  const problem = "SecureMount: the device is said to be empty, but holds something; it is not formatted";
  throw new GuestError("failed-precondition", problem, { fields: { device: device.path } });
}
