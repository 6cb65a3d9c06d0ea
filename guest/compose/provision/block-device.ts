import { describeFailure, GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { carrierHeaderBytes, hasCarrierMagic, readCarrier } from "../../initdata/carrier.ts";
import { maxCompressedBytes } from "../../initdata/limits.ts";
import { listBlockDevices, readFileRange } from "../../sys/block-device.ts";

/** A document and the device that it was on. */
export interface CarriedDocument {
  readonly device: string;
  /** @throws InitdataError */
  read(): Uint8Array;
}

/** As the reference looks for it: virtio and SCSI disks, partitions among them. */
const namePrefixes = ["vd", "sd"];

/**
 * Finds the block device on which Kata brings initdata to a VM on bare metal (spec/initdata.md 5).
 *
 * @param directory such as /dev
 * @returns undefined when there is none
 * @throws GuestError `failed-precondition` when there are several: which of them counts would be the host's choice (threat model
 *   row 86)
 */
export function findCarrier(directory: string, log: Log): CarriedDocument | undefined {
  const devices = listBlockDevices(directory, namePrefixes).filter((device) => startsWithMagic(device, log));
  if (devices.length > 1) {
    const problem = `several block devices carry initdata (${devices.join(", ")}); attach one of them only`;
    throw new GuestError("failed-precondition", problem);
  }
  const [device] = devices;
  if (device === undefined) return undefined;
  // The carrier says itself how long it is, but not more than this is ever read.
  return { device, read: () => readCarrier(readFileRange(device, 0, carrierHeaderBytes + maxCompressedBytes)) };
}

function startsWithMagic(device: string, log: Log): boolean {
  try {
    return hasCarrierMagic(readFileRange(device, 0, carrierHeaderBytes));
  } catch (error) {
    // An empty drive, for example.
    log.debug("block device can't be read", { device, error: describeFailure(error) });
    return false;
  }
}
