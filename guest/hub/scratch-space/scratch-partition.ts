import { basename, join } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { type BlockDevice, readFileRange } from "../../sys/block-device.ts";
import { listDirectory, pathExists, readFileBounded } from "../../sys/file.ts";
import type { StorageTools } from "../secure-mount/storage-tools.ts";
import { type Partition, parsePartitionTable, partitionTableBytes } from "./partition-table.ts";

/** The name that the reference's image gives to the partition, too (spec/podvm-image.md 2.2). */
export const scratchPartitionName = "trusted_store";

/** Where the kernel shows its devices. */
export interface DeviceFolders {
  /** Such as /sys/block. */
  readonly disks: string;
  /** Such as /dev. */
  readonly nodes: string;
}

const maxAttributeBytes = 4096;

/**
 * Finds the partition for scratch space. Names are the host's to choose, so the name only says which partition is to be overwritten:
 * it must be the only one, nobody may use it, and nothing on it is ever believed (threat model row 116).
 *
 * The disks' own tables are read, not what udev or the kernel tell of names: a partition that was made while its disk was in use has
 * none there.
 *
 * @returns undefined when there is none
 * @throws GuestError `failed-precondition` for several, or one in use
 */
export function findScratchPartition(
  folders: DeviceFolders,
  tools: Pick<StorageTools, "findDevice" | "isInUse">,
): BlockDevice | undefined {
  const found = listDirectory(folders.disks).flatMap((disk) => partitionsOf(disk, folders));
  const names = found.map(({ node }) => node).sort();
  if (names.length > 1) throw refusal(`several partitions are named ${scratchPartitionName} (${names.join(", ")})`);
  const [partition] = found;
  if (partition === undefined) return undefined;
  const number = numberIn(partition.folder);
  const device = tools.findDevice({ number });
  if (tools.isInUse(device)) throw refusal(`partition ${scratchPartitionName} (${partition.node}) is in use`);
  return device;
}

/** A partition of the wanted name: its folder in /sys and its node. */
interface NamedPartition {
  readonly folder: string;
  readonly node: string;
}

function partitionsOf(disk: string, { disks, nodes }: DeviceFolders): NamedPartition[] {
  const folder = join(disks, disk);
  // Loop devices, mappings and memory disks are of no hardware.
  if (!pathExists(join(folder, "device"))) return [];
  return partitionTable(folder, join(nodes, disk))
    .filter(({ name }) => name === scratchPartitionName)
    .map((partition) => ({ folder: folderOf(partition, folder), node: `${disk}, partition ${partition.index}` }));
}

function partitionTable(folder: string, node: string): Partition[] {
  try {
    const blockBytes = blockBytesOf(folder);
    return parsePartitionTable(readFileRange(node, 0, partitionTableBytes(blockBytes)), blockBytes);
  } catch {
    // An empty drive, for example.
    return [];
  }
}

/** The kernel's folder of a partition; both must mean the same place on the disk. */
function folderOf(partition: Partition, diskFolder: string): string {
  const blocks = BigInt(blockBytesOf(diskFolder) / 512);
  // A partition's folder has the disk's name and more, such as vda1 or nvme0n1p1.
  for (const entry of listDirectory(diskFolder).filter((name) => name.startsWith(basename(diskFolder)))) {
    const folder = join(diskFolder, entry);
    if (readAttribute(folder, "partition") !== String(partition.index)) continue;
    const isSame =
      BigInt(readAttribute(folder, "start")) === partition.firstBlock * blocks &&
      BigInt(readAttribute(folder, "size")) === partition.blockCount * blocks;
    if (isSame) return folder;
  }
  throw refusal(`the kernel does not know partition ${partition.index}, named ${scratchPartitionName}`);
}

function blockBytesOf(diskFolder: string): number {
  return Number(readAttribute(join(diskFolder, "queue"), "logical_block_size"));
}

function numberIn(folder: string): BlockDevice["number"] {
  const [major, minor] = readAttribute(folder, "dev").split(":").map(Number);
  if (major === undefined || minor === undefined) throw refusal("the kernel does not say which device it is");
  return { major, minor };
}

function readAttribute(folder: string, name: string): string {
  return readFileBounded(join(folder, name), maxAttributeBytes).toString("latin1").trim();
}

function refusal(problem: string): GuestError {
  return new GuestError("failed-precondition", `scratch space: ${problem}`);
}
