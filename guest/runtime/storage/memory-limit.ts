import { totalMemoryBytes } from "../../sys/memory.ts";

/** What the kernel gives a tmpfs that asks for nothing: half of the memory, and an inode for two pages. */
const defaultShare = 2;
const bytesPerInode = 8192;
const pageBytes = 4096;

const units: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1024],
  ["m", 1024 ** 2],
  ["g", 1024 ** 3],
]);

/**
 * Holds a tmpfs to what the kernel would give it unasked. Hosts choose the options, and to the kernel a size or a number of inodes of 0
 * means no limit at all (threat model row 120).
 *
 * @param options of a tmpfs, each of an allowed form
 * @returns the options with exactly one `size` and one `nr_inodes`
 */
export function limitMemory(options: readonly string[], totalBytes = totalMemoryBytes()): string[] {
  const asked = (name: string): string | undefined =>
    options.findLast((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const [size, blocks, inodes] = [asked("size"), asked("nr_blocks"), asked("nr_inodes")];
  const sizes = [
    size === undefined ? undefined : bytesOf(size, totalBytes),
    blocks === undefined ? undefined : bytesOf(blocks, totalBytes) * pageBytes,
  ];
  const others = options.filter((option) => !/^(?:size|nr_blocks|nr_inodes)=/.test(option));
  return [
    ...others,
    `size=${smallest(sizes, Math.floor(totalBytes / defaultShare))}`,
    `nr_inodes=${smallest([inodes === undefined ? undefined : bytesOf(inodes, totalBytes)], Math.floor(totalBytes / bytesPerInode))}`,
  ];
}

/** A number with the kernel's unit, or a share of the memory. */
function bytesOf(text: string, totalBytes: number): number {
  const [, digits = "", unit = ""] = /^(\d+)([kmg%]?)$/i.exec(text) ?? [];
  if (unit === "%") return Math.floor((totalBytes * Number(digits)) / 100);
  return Number(digits) * (units.get(unit.toLowerCase()) ?? 1);
}

/** 0 means no limit to the kernel, and so does what isn't there. */
function smallest(asked: readonly (number | undefined)[], limit: number): number {
  return Math.min(limit, ...asked.filter((value) => value !== undefined && value > 0).map(Number));
}
