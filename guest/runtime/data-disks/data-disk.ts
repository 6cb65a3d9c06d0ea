import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../../core/errors.ts";
import { type BlockDevice, readFileRange } from "../../sys/block-device.ts";
import { dataDiskPollMs } from "../limits.ts";
import { candidateDisks, type DiskAddress } from "./disk-candidates.ts";
import { type DeviceTree, diskNode, whyUnusable } from "./disk-status.ts";

/** `LUKS`, 0xba 0xbe, and the version as 16 bits, big-endian (LUKS2 On-Disk Format 1.1.4, 2.1). */
const luks2Magic = Buffer.from([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe, 0x00, 0x02]);

/** How a data disk is looked for. */
export interface DiskSearch {
  readonly tree: DeviceTree;
  /** A disk that the cloud is attaching may come so much later. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Finds a data disk and waits for one that isn't there yet. Never one that is in use or has partitions, as the disk has that the guest
 * was booted from: until the right one comes, such a disk may be the only one with its address. Touches nothing.
 *
 * @throws GuestError when there is none in time: `failed-precondition` if it is in use or has partitions, else `unavailable`; the
 *   signal's reason
 */
export async function findDataDisk(
  address: DiskAddress,
  { tree, timeoutMs, signal }: DiskSearch,
): Promise<BlockDevice> {
  const attempts = Math.max(1, Math.ceil(timeoutMs / dataDiskPollMs));
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const disk = chooseDisk(address, tree);
    if (!(disk instanceof GuestError)) return disk;
    if (attempt === attempts) throw disk;
    await delay(dataDiskPollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** @returns the disk, or why there is none now */
function chooseDisk(address: DiskAddress, tree: DeviceTree): BlockDevice | GuestError {
  const candidates = candidateDisks(address, tree).map((name) => ({ name, problem: whyUnusable(tree, name) }));
  const usable = candidates.find(({ problem }) => problem === undefined);
  const [first] = candidates;
  if (usable === undefined && first !== undefined)
    return new GuestError("failed-precondition", `data disk ${address.lun} ${first.problem}`, { fields: first });
  const node = usable && diskNode(tree, usable.name);
  return node ?? new GuestError("unavailable", `there is no data disk ${address.lun}`, { fields: { ...address } });
}

/**
 * True when a disk begins as a LUKS2 device does. Nothing else is opened, and nothing is ever formatted: an empty disk may be the one
 * whose data the host holds back (threat 118).
 *
 * @param disk path of a device or file
 * @throws SystemError when it can't be read
 */
export function hasLuks2Header(disk: string): boolean {
  return readFileRange(disk, 0, luks2Magic.length).equals(luks2Magic);
}
