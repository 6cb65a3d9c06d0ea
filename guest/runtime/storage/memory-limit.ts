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
  return [
    ...options.filter((option) => !isSize(option) && !isInodeCount(option)),
    `size=${sizeWithin(options, totalBytes)}`,
    `nr_inodes=${inodesWithin(options, totalBytes)}`,
  ];
}

/** As {@link limitMemory} for a tmpfs that is there: what the change doesn't name stays as it is. */
export function limitMemoryChange(options: readonly string[], totalBytes = totalMemoryBytes()): string[] {
  return [
    ...options.filter((option) => !isSize(option) && !isInodeCount(option)),
    ...(options.some(isSize) ? [`size=${sizeWithin(options, totalBytes)}`] : []),
    ...(options.some(isInodeCount) ? [`nr_inodes=${inodesWithin(options, totalBytes)}`] : []),
  ];
}

const isSize = (option: string): boolean => /^(?:size|nr_blocks)=/.test(option);
const isInodeCount = (option: string): boolean => option.startsWith("nr_inodes=");

function sizeWithin(options: readonly string[], totalBytes: number): number {
  const sizes = [numberOf(options, "size", totalBytes), numberOf(options, "nr_blocks", totalBytes) * pageBytes];
  return smallest(sizes, Math.floor(totalBytes / defaultShare));
}

function inodesWithin(options: readonly string[], totalBytes: number): number {
  return smallest([numberOf(options, "nr_inodes", totalBytes)], Math.floor(totalBytes / bytesPerInode));
}

/** The last word counts; 0 when there is none. */
function numberOf(options: readonly string[], name: string, totalBytes: number): number {
  const text = options.findLast((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  return text === undefined ? 0 : bytesOf(text, totalBytes);
}

/** A number with the kernel's unit, or a share of the memory. */
function bytesOf(text: string, totalBytes: number): number {
  const [, digits = "", unit = ""] = /^(\d+)([kmg%]?)$/i.exec(text) ?? [];
  if (unit === "%") return Math.floor((totalBytes * Number(digits)) / 100);
  return Number(digits) * (units.get(unit.toLowerCase()) ?? 1);
}

/** 0 means no limit to the kernel. */
function smallest(asked: readonly number[], limit: number): number {
  return Math.min(limit, ...asked.filter((value) => value > 0));
}
