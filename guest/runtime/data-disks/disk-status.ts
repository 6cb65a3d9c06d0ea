import { posix } from "node:path";
import { type BlockDevice, findBlockDevice } from "../../sys/block-device.ts";
import { Directory } from "../../sys/directory.ts";
import { listDirectory, pathExists, readFileIfPresent } from "../../sys/file.ts";
import { readMountTable } from "../../sys/mount.ts";
import { isErrno } from "../../sys/system-error.ts";

/** Where the kernel shows its devices. */
export interface DeviceTree {
  /** `/sys` */
  readonly sys: string;
  /** `/dev` */
  readonly dev: string;
}

/** Names of whole disks and their partitions, as the kernel gives them: SCSI, virtio, NVMe, Xen. No loop devices, no mappings. */
const diskName = /^(?:sd[a-z]{1,3}|vd[a-z]{1,3}|xvd[a-z]{1,3}|nvme\d{1,4}n\d{1,4})$/u;
const maxAttributeBytes = 4096;

/** Whole disks by the kernel's names, in the kernel's order: `sdz` before `sdaa`, `nvme2n1` before `nvme10n1`. */
export function listDisks({ sys }: DeviceTree): string[] {
  const names = listIfPresent(posix.join(sys, "class/block")).filter((name) => diskName.test(name));
  return names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}

/** A file of a disk's directory in sysfs, without white space around; undefined when there is none. */
export function diskAttribute({ sys }: DeviceTree, disk: string, attribute: string): string | undefined {
  return readFileIfPresent(posix.join(sys, "class/block", disk, attribute), maxAttributeBytes)
    ?.toString()
    .trim();
}

/** Host and LUN of a SCSI disk; undefined for any other. */
export function scsiAddress(
  { sys }: DeviceTree,
  disk: string,
): { readonly host: number; readonly lun: number } | undefined {
  try {
    using directory = Directory.open(posix.join(sys, "class/block", disk));
    const address = posix.basename(directory.readLink("device").toString());
    const [, host, lun] = /^(\d+):\d+:\d+:(\d+)$/u.exec(address) ?? [];
    return host === undefined || lun === undefined ? undefined : { host: Number(host), lun: Number(lun) };
  } catch (error) {
    if (isErrno(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

/**
 * The node of a disk.
 *
 * @returns undefined while there is none, or it is another device's
 */
export function diskNode(tree: DeviceTree, disk: string): BlockDevice | undefined {
  const node = nodeAt(posix.join(tree.dev, disk));
  if (node === undefined) return undefined;
  return diskAttribute(tree, disk, "dev") === `${node.number.major}:${node.number.minor}` ? node : undefined;
}

/** The kernel's name of the disk that a link below /dev/disk leads to; undefined when there is no such link. */
export function diskOfLink({ dev }: DeviceTree, link: string): string | undefined {
  const node = nodeAt(posix.join(dev, "disk", link));
  return node === undefined ? undefined : posix.basename(node.path);
}

/** Entries of a directory below /dev/disk, unordered; none when it is missing. */
export function listLinks({ dev }: DeviceTree, directory: string): string[] {
  return listIfPresent(posix.join(dev, "disk", directory));
}

/** True for a disk with partitions, the one that the guest was booted from among them. */
export function isPartitioned({ sys }: DeviceTree, disk: string): boolean {
  const directory = posix.join(sys, "class/block", disk);
  const parts = listIfPresent(directory).filter((name) => name.startsWith(disk));
  return parts.some((name) => pathExists(posix.join(directory, name, "partition")));
}

/** What keeps a disk from being a volume: somebody else uses it, or it is no plain disk. Undefined when nothing does. */
export function whyUnusable(tree: DeviceTree, disk: string): string | undefined {
  if (!diskName.test(disk)) return "is not a whole disk";
  if (isPartitioned(tree, disk)) return "has partitions";
  const holders = listIfPresent(posix.join(tree.sys, "class/block", disk, "holders"));
  const number = diskAttribute(tree, disk, "dev");
  const isMounted = readMountTable().some(({ device }) => device === number);
  return holders.length > 0 || isMounted ? "is in use" : undefined;
}

function nodeAt(path: string): BlockDevice | undefined {
  try {
    return findBlockDevice(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function listIfPresent(directory: string): string[] {
  try {
    return listDirectory(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
