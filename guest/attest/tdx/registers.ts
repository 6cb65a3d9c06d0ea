import { GuestError } from "../../core/errors.ts";
import type { MeasurementRegisters } from "../attester.ts";

/** The files below /sys/devices/virtual/misc/tdx_guest/measurements (kernel 6.16, spec/tee-abi.md 4.3). */
export interface TdxMeasurementFiles {
  /** @returns undefined when the kernel has no such file */
  read(name: string): Promise<Uint8Array | undefined>;
  /** One write of exactly these bytes, which extends the register. */
  write(name: string, digest: Uint8Array): Promise<void>;
}

/** Bytes of a register and of what extends it. */
export const registerBytes = 48;

/**
 * The CC measurement register that stands for a PCR in event logs (spec/attestation-agent.md 5.3): 1 to 4, which are RTMR0 to RTMR3.
 * There is no register behind PCR 0 that can be written, so its events go where the application's go.
 */
export function ccRegisterOf(pcr: number): number {
  if (pcr === 1 || pcr === 7) return 1;
  if (pcr >= 2 && pcr <= 6) return 2;
  if (pcr >= 8 && pcr <= 15) return 3;
  return 4;
}

/** RTMRs through sysfs. */
export function createTdxRegisters(files: TdxMeasurementFiles): MeasurementRegisters {
  const nameOf = (pcr: number): string => `rtmr${ccRegisterOf(pcr) - 1}:sha384`;
  return {
    hash: "sha384",
    logIndexOf: ccRegisterOf,
    extend: async (pcr, digest) => {
      if (digest.length !== registerBytes) throw new GuestError("invalid-argument", "an RTMR is extended by 48 bytes");
      await files.write(nameOf(pcr), digest);
    },
    read: async (pcr) => {
      const value = await files.read(nameOf(pcr));
      if (value?.length === registerBytes) return value;
      throw new GuestError("unavailable", "the kernel does not show the RTMRs");
    },
  };
}
