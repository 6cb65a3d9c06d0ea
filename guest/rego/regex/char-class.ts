/**
 * Sets of code points as flat lists of inclusive ranges: [low, high, low, high, …], sorted, disjoint and not adjacent.
 */
export type Ranges = readonly number[];

export const maxCodePoint = 0x10ffff;

export const anyCodePoint: Ranges = [0, maxCodePoint];
export const anyExceptNewline: Ranges = [0, 9, 11, maxCodePoint];
export const wordCharacters: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

/** Sorts and merges ranges given in any order, overlapping or not. */
export function normalizeRanges(ranges: readonly number[]): Ranges {
  const pairs: [number, number][] = [];
  for (let i = 0; i + 1 < ranges.length; i += 2) pairs.push([ranges[i] ?? 0, ranges[i + 1] ?? 0]);
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [low, high] of pairs) {
    const last = merged.length - 1;
    const lastHigh = merged[last];
    if (lastHigh !== undefined && low <= lastHigh + 1) merged[last] = Math.max(lastHigh, high);
    else merged.push(low, high);
  }
  return merged;
}

/** All code points that are not in the (normalized) ranges. */
export function negateRanges(ranges: Ranges): Ranges {
  const result: number[] = [];
  let next = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const low = ranges[i] ?? 0;
    if (low > next) result.push(next, low - 1);
    next = (ranges[i + 1] ?? 0) + 1;
  }
  if (next <= maxCodePoint) result.push(next, maxCodePoint);
  return result;
}

/** How many code points the (normalized) ranges have. */
export function sizeOfRanges(ranges: Ranges): number {
  let size = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) size += (ranges[i + 1] ?? 0) - (ranges[i] ?? 0) + 1;
  return size;
}

/** Whether the code point is in the (normalized) ranges; binary search. */
export function rangesContain(ranges: Ranges, codePoint: number): boolean {
  let low = 0;
  let high = ranges.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[2 * middle + 1] ?? 0) < codePoint) low = middle + 1;
    else high = middle;
  }
  const start = ranges[2 * low];
  return start !== undefined && start <= codePoint;
}
