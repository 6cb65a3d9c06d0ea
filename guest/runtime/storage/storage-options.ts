import { GuestError } from "../../core/errors.ts";
import type { Storage } from "../../rpc/messages/agent.ts";

/** Options that decide who owns a volume; the rest goes to mount(2). */
export interface VolumeOptions {
  /** Permission bits, when the request names them. */
  readonly mode: number | undefined;
  /** Group that the volume belongs to; its directory gets the set-group-id bit, so that new files inherit it. */
  readonly groupId: number | undefined;
  readonly mountOptions: readonly string[];
}

/**
 * Splits the options of a volume and refuses all that are not on the list (threat 42: `exec`, `suid` and `dev` are not).
 *
 * @param allowed mount options of the driver, each a whole option
 * @throws GuestError `permission-denied` for an option that is not allowed, `internal` for a malformed number
 */
export function parseVolumeOptions(storage: Storage, allowed: RegExp): VolumeOptions {
  let mode: number | undefined;
  let groupId = storage.fs_group?.group_id;
  const mountOptions: string[] = [];
  for (const option of storage.options) {
    const [name, value = ""] = option.split("=", 2);
    if (name === "mode") mode = parseNumber(value, /^[0-7]{1,4}$/u, 8);
    else if (name === "fsgid") groupId = parseNumber(value, /^\d{1,10}$/u, 10);
    else if (allowed.test(option)) mountOptions.push(option);
    else refuseOption(storage, option);
  }
  if (groupId !== undefined && groupId > 0xffff_fffe)
    throw new GuestError("internal", "storage has a malformed number");
  return { mode, groupId, mountOptions };
}

/** @throws GuestError `permission-denied`, always */
export function refuseOption(storage: Storage, option: string): never {
  throw new GuestError("permission-denied", `storage option is not allowed for ${storage.driver}`, {
    fields: { option },
  });
}

/** Owner and mode of a volume's directory: root's, and the group's when there is one. */
export function volumeMode({ mode, groupId }: VolumeOptions, fallback: number): number {
  const permissions = (mode ?? fallback) & 0o1777;
  return groupId === undefined ? permissions : permissions | 0o2070;
}

function parseNumber(text: string, pattern: RegExp, radix: 8 | 10): number {
  if (!pattern.test(text)) throw new GuestError("internal", "storage has a malformed number");
  return Number.parseInt(text, radix);
}
