import { GuestError } from "../../core/errors.ts";
import {
  type BlockDevice,
  findBlockDevice,
  findBlockDeviceByNumber,
  isBlockDeviceInUse,
  readFileRange,
  writeFileRange,
} from "../../sys/block-device.ts";
import { readFileBounded } from "../../sys/file.ts";
import { mount, mountFlags } from "../../sys/mount.ts";
import { findProgram, type ProgramOptions, runToSuccess } from "../../sys/program.ts";
import { volumeProgramTimeoutMs } from "./limits.ts";

/** The programs and system calls that volumes need. */
export interface StorageTools {
  /**
   * Runs a program of the system to its end.
   *
   * @param name plain file name
   * @throws GuestError, with the program's exit code in its fields, when it fails
   */
  run(name: string, args: readonly string[], options: Pick<ProgramOptions, "stdin" | "signal">): Promise<Buffer>;
  /** Overwrites a part of a device with zeros. @throws SystemError */
  writeZeros(device: string, offset: number, count: number): void;
  /** Mounts an ext4 file system. @throws SystemError */
  mountExt4(device: string, target: string): void;
  /** @throws GuestError, SystemError */
  findDevice(device: { readonly number: BlockDevice["number"] } | { readonly path: string }): BlockDevice;
  isInUse(device: BlockDevice): boolean;
  /** Reads a device's beginning and end, where signatures are. @throws SystemError EIO, for example */
  readEnds(device: BlockDevice): void;
}

/** Whether an error is that a program ended with this exit code. */
export function endedWith(error: unknown, exitCode: number): boolean {
  return error instanceof GuestError && error.fields["exitCode"] === exitCode;
}

/** No file system, partition table or array has its signature further inside. */
const endBytes = 4 * 1024 * 1024;

/** Those of this machine. */
export const systemStorageTools: StorageTools = {
  run: (name, args, options) =>
    runToSuccess(findProgram(name), args, {
      ...options,
      timeoutMs: volumeProgramTimeoutMs,
      env: { LC_ALL: "C", MKE2FS_SKIP_PROGRESS: "1" },
    }),
  writeZeros: (device, offset, count) => writeFileRange(device, offset, Buffer.alloc(count)),
  mountExt4: (source, target) =>
    // Programs run from it; device nodes and setuid bits that somebody has put there mean nothing.
    mount({ source, target, type: "ext4", flags: mountFlags.nosuid | mountFlags.nodev | mountFlags.noatime }),
  findDevice: (device) => ("number" in device ? findBlockDeviceByNumber(device.number) : findBlockDevice(device.path)),
  isInUse: isBlockDeviceInUse,
  readEnds: ({ path, number: { major, minor } }) => {
    const sectors = Number(readFileBounded(`/sys/dev/block/${major}:${minor}/size`, 64).toString());
    readFileRange(path, 0, endBytes);
    readFileRange(path, Math.max(0, sectors * 512 - endBytes), endBytes);
  },
};
