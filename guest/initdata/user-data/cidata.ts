import { GuestError } from "../../core/errors.ts";
import { readFileBounded } from "../../sys/file.ts";
import { maxUserDataBytes } from "./limits.ts";
import type { UserDataSource } from "./source.ts";
import { UserDataError } from "./user-data-error.ts";

/**
 * A file on a disk with the label `cidata`, as libvirt attaches it, or one that was uploaded: plain (spec/userdata.md 3.2).
 *
 * @param path of the file; while it is missing, trying again may help, since an upload takes its time
 */
export function cidataSource(path: string): UserDataSource {
  return { name: path, fetch: async () => readUserDataFile(path) };
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
