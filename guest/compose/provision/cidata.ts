import { describeFailure, GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type ReadDisk, readIsoFile, readIsoLabel } from "../../initdata/user-data/iso9660.ts";
import { maxUserDataBytes } from "../../initdata/user-data/limits.ts";
import type { UserDataSource } from "../../initdata/user-data/source.ts";
import { UserDataError } from "../../initdata/user-data/user-data-error.ts";
import { listBlockDevices, readFileRange } from "../../sys/block-device.ts";
import { pathExists, readFileBounded } from "../../sys/file.ts";

/** Where cidata can be. */
export interface CidataPlaces {
  /** Uploaded, or on a disk that something else has mounted; empty: cidata isn't looked for at all. */
  readonly file: string;
  /** Such as /dev. */
  readonly deviceDirectory: string;
}

/** Virtio, SCSI and SATA disks, and the drives of CDs: libvirt uses all of them (spec/userdata.md 7). */
const namePrefixes = ["vd", "sd", "sr"];
const label = "cidata";

/**
 * User data in a file, or on the ISO 9660 disk with the label `cidata` that libvirt attaches. The disk is read, never mounted.
 *
 * @returns undefined when there is neither
 * @throws UserDataError when there are several disks
 */
export function findCidata({ file, deviceDirectory }: CidataPlaces, log: Log): UserDataSource | undefined {
  if (file === "") return undefined;
  if (pathExists(file)) return { name: file, fetch: async () => readUserDataFile(file) };
  const disks = listBlockDevices(deviceDirectory, namePrefixes).filter((disk) => isCidata(disk, log));
  if (disks.length > 1)
    throw new UserDataError(`several disks have the label ${label} (${disks.join(", ")}); attach one`);
  const [disk] = disks;
  if (disk === undefined) return undefined;
  return { name: disk, fetch: async () => readIsoFile(readerOf(disk), "user-data", maxUserDataBytes) };
}

/** The same, but looked for at each attempt: a disk or an upload can be late. */
export function awaitedCidata(places: CidataPlaces, log: Log): UserDataSource {
  return {
    name: label,
    fetch: async (access) => {
      const source = findCidata(places, log);
      if (source !== undefined) return source.fetch(access);
      const problem = `there is neither ${places.file} nor a disk with the label ${label} in ${places.deviceDirectory}`;
      throw new GuestError("not-found", problem);
    },
  };
}

function isCidata(disk: string, log: Log): boolean {
  try {
    return readIsoLabel(readerOf(disk))?.toLowerCase() === label;
  } catch (error) {
    // An empty drive, for example.
    log.debug("disk can't be read", { disk, error: describeFailure(error) });
    return false;
  }
}

function readerOf(disk: string): ReadDisk {
  return (offset, count) => readFileRange(disk, offset, count);
}

function readUserDataFile(path: string): Uint8Array {
  try {
    return readFileBounded(path, maxUserDataBytes);
  } catch (cause) {
    if (cause instanceof GuestError && cause.code === "resource-exhausted")
      throw new UserDataError(`${path} is longer than ${maxUserDataBytes} bytes`, cause);
    throw cause;
  }
}
