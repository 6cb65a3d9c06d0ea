import { posix } from "node:path";
import { readFileIfPresent } from "../../sys/file.ts";
import {
  type DeviceTree,
  diskAttribute,
  diskOfLink,
  isPartitioned,
  listDisks,
  listLinks,
  scsiAddress,
} from "./disk-status.ts";

/** How a cloud tells its data disks apart. */
export interface DiskAddress {
  /** Position among the pod's data disks, from 0 on. */
  readonly lun: number;
  /** The cloud's own name of the disk, such as `vol-0123456789abcdef0`. */
  readonly diskId?: string | undefined;
}

type Candidates = (address: DiskAddress, tree: DeviceTree) => readonly string[];

/** What the firmware of every VM of Azure says. */
const azureChassisTag = "7783-7084-3265-9085-8269-3286-77";
const ebsModel = "Amazon Elastic Block Store";

/**
 * The disks that may be meant, the best first (spec/forwarder.md 5.1, "find device"): by the rule of the cloud that this VM runs in,
 * and where that finds none by SCSI address. Whose disk it really is shows when its key opens it (threat 116).
 *
 * @returns the kernel's names; none when there is no such disk (yet)
 */
export function candidateDisks(address: DiskAddress, tree: DeviceTree): readonly string[] {
  const found = rulesOfCloud(tree)(address, tree);
  return found.length > 0 ? found : scsiDisks(address, tree);
}

function rulesOfCloud(tree: DeviceTree): Candidates {
  if (isAzure(tree)) return azureDisks;
  if (ebsDisks(tree).length > 0) return awsDisks;
  return virtioDisks;
}

function isAzure(tree: DeviceTree): boolean {
  const tag = readFileIfPresent(posix.join(tree.sys, "class/dmi/id/chassis_asset_tag"), 4096)?.toString().trim();
  return tag === azureChassisTag || listLinks(tree, "azure").length > 0;
}

/** Links that Azure's udev rules make, where the image has them. */
function azureDisks({ lun }: DiskAddress, tree: DeviceTree): string[] {
  const byPath = listLinks(tree, "by-path")
    .filter((name) => name.includes("vmbus") && name.endsWith(`-lun-${lun}`))
    .sort()
    .map((name) => diskOfLink(tree, `by-path/${name}`))
    // The first controller has the disk of the system and the temporary one.
    .filter((disk) => disk !== undefined && scsiAddress(tree, disk)?.host !== 0);
  const links = [`azure/data/by-lun/${lun}`, `azure/scsi1/lun${lun}`].map((link) => diskOfLink(tree, link));
  return [...links, ...byPath].filter((disk) => disk !== undefined);
}

/** A volume's serial number is its id without the hyphen; the links below /dev/disk/by-id are made of it. */
function awsDisks({ lun, diskId }: DiskAddress, tree: DeviceTree): string[] {
  const disks = ebsDisks(tree);
  if (diskId !== undefined) {
    const serial = diskId.replaceAll("-", "");
    return disks.filter((disk) => diskAttribute(tree, disk, "device/serial") === serial);
  }
  return disks.filter((disk) => !isPartitioned(tree, disk)).slice(lun, lun + 1);
}

function ebsDisks(tree: DeviceTree): string[] {
  return listDisks(tree).filter((disk) => diskAttribute(tree, disk, "device/model") === ebsModel);
}

/** libvirt: the system has `vda`, the first data disk is `vdb`. */
function virtioDisks({ lun }: DiskAddress, tree: DeviceTree): string[] {
  const letter = "bcdefghijklmnopqrstuvwxyz"[lun];
  return listDisks(tree).filter((disk) => disk === `vd${letter}`);
}

/** Any controller but the first before the first. */
function scsiDisks({ lun }: DiskAddress, tree: DeviceTree): string[] {
  const disks = listDisks(tree).filter((disk) => scsiAddress(tree, disk)?.lun === lun);
  const isOnFirst = (disk: string): boolean => scsiAddress(tree, disk)?.host === 0;
  return [...disks.filter((disk) => !isOnFirst(disk)), ...disks.filter(isOnFirst)];
}
