import { GuestError } from "../../core/errors.ts";
import type { StorageTools } from "./storage-tools.ts";

const blockBytes = 4096;

/** An inode for so many bytes; more bytes on large disks, so that writing all inode tables (256 bytes each) takes seconds: 1 GiB. */
const minBytesPerInode = 32_768;
const maxInodes = 4 * 1024 * 1024;
/** The most that mkfs.ext4 takes. */
const maxBytesPerInode = 64 * 1024 * 1024;

/** How a file system is made. */
export interface Ext4Options {
  /** Checked arguments of mkfs.ext4. */
  readonly arguments: readonly string[];
  /** Nothing below has been written yet, and reading what nobody has written is an error there (dm-integrity); it takes longer. */
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
  const all = options.unreadable ? await makeReadable(device, given, tools, signal) : given;
  await tools.run("mkfs.ext4", ["-F", "-q", ...all, "--", device], { signal });
}

/**
 * mkfs.ext4 looks for an older superblock in all places where one can be, and the kernel reads inode tables before it writes them
 * (spec/secure-mount.md 3.5).
 *
 * @returns the arguments for such a device
 */
async function makeReadable(
  device: string,
  given: readonly string[],
  tools: Pick<StorageTools, "run" | "writeZeros">,
  signal: AbortSignal,
): Promise<string[]> {
  const clear = (block: number): void => tools.writeZeros(device, block * blockBytes, blockBytes);
  clear(0);
  const plan = (await tools.run("mkfs.ext4", ["-F", "-n", ...given, "--", device], { signal })).toString();
  for (const block of backupBlocks(plan)) clear(block);
  return writingInodeTables(given.includes("-i") ? given : [...given, "-i", String(bytesPerInode(plan))]);
}

/** The numbers after `Superblock backups stored on blocks:`; a small file system has none. */
function backupBlocks(plan: string): number[] {
  const list = /Superblock backups stored on blocks:([\d,\s]*)/.exec(plan)?.[1] ?? "";
  const blocks = (list.match(/\d+/g) ?? []).map(Number);
  if (blocks.length > 256 || blocks.some((block) => !Number.isSafeInteger(block * blockBytes))) throw impossiblePlan();
  return blocks;
}

/** A power of two for the size that the plan's first line tells. */
function bytesPerInode(plan: string): number {
  const bytes = Number(/ with (\d+) 4k blocks /.exec(plan)?.[1]) * blockBytes;
  if (!Number.isSafeInteger(bytes)) throw impossiblePlan();
  let share = minBytesPerInode;
  while (share < maxBytesPerInode && bytes / share > maxInodes) share *= 2;
  return share;
}

function impossiblePlan(): GuestError {
  return new GuestError("internal", "mkfs.ext4 plans an impossible file system");
}

/** Arguments with one `-E`, of which mkfs.ext4 obeys only the last. */
function writingInodeTables(given: readonly string[]): string[] {
  const extended = given.filter((_, index) => given[index - 1] === "-E");
  const others = given.filter((word, index) => word !== "-E" && given[index - 1] !== "-E");
  return [...others, "-E", [...extended, "lazy_itable_init=0"].join(",")];
}
