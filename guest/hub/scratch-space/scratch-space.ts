import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { BlockDevice } from "../../sys/block-device.ts";
import { makeExt4 } from "../secure-mount/ext4.ts";
import { openEphemeral } from "../secure-mount/mapping.ts";
import type { StorageTools } from "../secure-mount/storage-tools.ts";
import { type DeviceFolders, findScratchPartition, scratchPartitionName } from "./scratch-partition.ts";

/** What scratch space is made with. */
export interface ScratchSpaceParts {
  readonly tools: StorageTools;
  /** In memory, for root only. */
  readonly headerDirectory: string;
  readonly folders: DeviceFolders;
  /** Definition of the partition, repart.d(5), for disks that have room but no such partition. */
  readonly partitionDefinitions: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const mapperName = "podkeep-scratch";

/** Nothing outlives the VM, so there is no journal and nothing kept for root. */
const mkfsArguments = ["-O", "^has_journal", "-m", "0"];

/**
 * Mounts the disk's free room, encrypted and protected against changes with a key that is in the kernel's memory only (spec/podvm-image.md
 * 6). Formatted anew each time; threat model rows 113, 114 and 116.
 *
 * @param mountPoint a directory
 * @throws GuestError naming what is missing; nothing stays open then
 */
export async function mountScratchSpace(mountPoint: string, parts: ScratchSpaceParts): Promise<void> {
  const { tools, headerDirectory, log, signal } = parts;
  const device = await provideScratchPartition(parts);
  const mapping = await openEphemeral(
    device,
    { name: mapperName, integrity: true },
    { tools, headerDirectory, signal },
  );
  try {
    await makeExt4(mapping.path, { arguments: mkfsArguments, unreadable: true }, tools, signal);
    tools.mountExt4(mapping.path, mountPoint);
  } catch (error) {
    await mapping.close().catch((failure: unknown) => log.error("scratch space stays open", { error: failure }));
    throw error;
  }
  log.info("scratch space is mounted", { device: device.path, mountPoint });
}

/** The partition; made from the room that is free on the disk of the root file system when there is none. */
async function provideScratchPartition({
  folders,
  tools,
  partitionDefinitions,
  signal,
}: ScratchSpaceParts): Promise<BlockDevice> {
  const existing = findScratchPartition(folders, tools);
  if (existing !== undefined) return existing;
  const noPartition = `scratch space: no partition is named ${scratchPartitionName}`;
  try {
    await tools.run("systemd-repart", ["--dry-run=no", `--definitions=${partitionDefinitions}`], { signal });
  } catch (cause) {
    throw new GuestError("failed-precondition", `${noPartition}, and none could be made`, { cause });
  }
  const made = findScratchPartition(folders, tools);
  if (made === undefined)
    throw new GuestError(
      "failed-precondition",
      `${noPartition}: the disk has no free room; make it larger than the image`,
    );
  return made;
}
