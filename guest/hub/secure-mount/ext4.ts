import { GuestError } from "../../core/errors.ts";
import type { StorageTools } from "./storage-tools.ts";

const blockBytes = 4096;

/** How a file system is made. */
export interface Ext4Options {
  /** Checked arguments of mkfs.ext4. */
  readonly arguments: readonly string[];
  /** Nothing below has been written yet, and reading what nobody has written is an error there (dm-integrity). */
  readonly unreadable: boolean;
}

/**
 * Makes an ext4 file system on a device, whatever is there.
 *
 * @param device path of an opened mapping
 * @throws GuestError
 */
export async function makeExt4(
  device: string,
  options: Ext4Options,
  tools: Pick<StorageTools, "run" | "writeZeros">,
  signal: AbortSignal,
): Promise<void> {
  const given = [...options.arguments, "-b", String(blockBytes)];
  if (options.unreadable) await makeReadable(device, given, tools, signal);
  await tools.run("mkfs.ext4", ["-F", "-q", ...withExtended(given, options.unreadable), "--", device], { signal });
}

/** mkfs.ext4 looks for an older superblock in all places where one can be (spec/secure-mount.md 3.5). */
async function makeReadable(
  device: string,
  given: readonly string[],
  tools: Pick<StorageTools, "run" | "writeZeros">,
  signal: AbortSignal,
): Promise<void> {
  const clear = (block: number): void => tools.writeZeros(device, block * blockBytes, blockBytes);
  clear(0);
  const plan = await tools.run("mkfs.ext4", ["-F", "-n", ...given, "--", device], { signal });
  for (const block of backupBlocks(plan.toString())) clear(block);
}

/** The numbers after `Superblock backups stored on blocks:`; a small file system has none. */
export function backupBlocks(plan: string): number[] {
  const list = /Superblock backups stored on blocks:([\d,\s]*)/.exec(plan)?.[1] ?? "";
  const blocks = (list.match(/\d+/g) ?? []).map(Number);
  if (blocks.length > 256 || blocks.some((block) => !Number.isSafeInteger(block * blockBytes)))
    throw new GuestError("internal", "mkfs.ext4 plans an impossible file system");
  return blocks;
}

/**
 * Arguments with one `-E`, of which mkfs.ext4 obeys only the last. Inode tables are written now where the kernel could not read
 * them later.
 */
function withExtended(given: readonly string[], writeInodeTables: boolean): string[] {
  const extended = given.filter((_, index) => given[index - 1] === "-E");
  const others = given.filter((word, index) => word !== "-E" && given[index - 1] !== "-E");
  const all = [...extended, ...(writeInodeTables ? ["lazy_itable_init=0"] : [])];
  return all.length === 0 ? others : [...others, "-E", all.join(",")];
}
