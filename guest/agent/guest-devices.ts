import { posix } from "node:path";
import type { FindGuestDevice } from "../runtime/conversion/devices.ts";
import { Directory } from "../sys/directory.ts";
import { isErrno } from "../sys/system-error.ts";

/**
 * Finds devices among those that the guest's configuration gives to containers, with the numbers of the guest's own node
 * (threat 46).
 *
 * @param allowedDevices absolute paths in the guest
 */
export function createDeviceFinder(allowedDevices: readonly string[]): FindGuestDevice {
  const allowed = new Set(allowedDevices);
  return (path) => {
    if (!allowed.has(path)) return undefined;
    try {
      using directory = Directory.open(posix.dirname(path));
      const { kind, specialDevice } = directory.status(posix.basename(path));
      if (kind === "character-device") return { type: "c", ...specialDevice };
      if (kind === "block-device") return { type: "b", ...specialDevice };
      return undefined;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  };
}
