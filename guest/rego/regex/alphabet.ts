import { maxCodePoint, type Ranges, wordCharacters } from "./char-class.ts";

const newline: Ranges = [0x0a, 0x0a];

/**
 * The code points divided into letters: all members of a letter are alike to every class of a pattern. Automata work on letters, so that their tables stay small.
 */
export class Alphabet {
  /** How many letters there are. */
  readonly size: number;
  /** For each class of the pattern: 1 at the letters that it has. */
  readonly members: readonly Uint8Array[];
  readonly newlineLetter: Uint8Array;
  readonly wordLetter: Uint8Array;
  readonly #ascii: Uint16Array;
  readonly #starts: Uint32Array;
  readonly #letters: Uint16Array;

  /** Built from the classes of a pattern; newline and word characters are kept apart if `withContext`. */
  constructor(classes: readonly Ranges[], withContext: boolean) {
    const all = withContext ? [...classes, newline, wordCharacters] : classes;
    this.#starts = boundaries(all);
    const { letters, count } = refine(this.#starts, all);
    this.#letters = letters;
    this.size = count;
    const members = all.map((ranges) => membersOf(ranges, this.#starts, letters, count));
    this.members = members;
    this.newlineLetter = (withContext ? members.at(-2) : undefined) ?? new Uint8Array(count);
    this.wordLetter = (withContext ? members.at(-1) : undefined) ?? new Uint8Array(count);
    this.#ascii = Uint16Array.from({ length: 128 }, (_, codePoint) => this.#search(codePoint));
  }

  /** The letter of each ASCII code point, for loops that can't afford a call. */
  get ascii(): Uint16Array {
    return this.#ascii;
  }

  /** The letter of a code point. */
  letterOf(codePoint: number): number {
    return codePoint < 128 ? (this.#ascii[codePoint] ?? 0) : this.#search(codePoint);
  }

  #search(codePoint: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= codePoint) low = middle;
      else high = middle - 1;
    }
    return this.#letters[low] ?? 0;
  }
}

/** The first code points of the intervals that no class divides. */
function boundaries(classes: readonly Ranges[]): Uint32Array {
  const starts = new Set([0]);
  for (const ranges of classes) {
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      starts.add(ranges[i] ?? 0);
      starts.add((ranges[i + 1] ?? 0) + 1);
    }
  }
  starts.delete(maxCodePoint + 1);
  return Uint32Array.from(starts).sort();
}

/** Numbers the intervals so that two share a letter if they are in the same classes: one refinement a class. */
function refine(starts: Uint32Array, classes: readonly Ranges[]): { letters: Uint16Array; count: number } {
  let letters = new Uint16Array(starts.length);
  let count = 1;
  for (const ranges of classes) {
    const renamed = new Map<number, number>();
    const refined = new Uint16Array(starts.length);
    forEachInterval(ranges, starts, (interval, inside) => {
      const key = 2 * (letters[interval] ?? 0) + (inside ? 1 : 0);
      const letter = renamed.get(key) ?? renamed.size;
      renamed.set(key, letter);
      refined[interval] = letter;
    });
    letters = refined;
    count = renamed.size;
  }
  return { letters, count };
}

function membersOf(ranges: Ranges, starts: Uint32Array, letters: Uint16Array, count: number): Uint8Array {
  const members = new Uint8Array(count);
  forEachInterval(ranges, starts, (interval, inside) => {
    if (inside) members[letters[interval] ?? 0] = 1;
  });
  return members;
}

function forEachInterval(
  ranges: Ranges,
  starts: Uint32Array,
  visit: (interval: number, inside: boolean) => void,
): void {
  let range = 0;
  for (let interval = 0; interval < starts.length; interval++) {
    const start = starts[interval] ?? 0;
    while (range < ranges.length && (ranges[range + 1] ?? 0) < start) range += 2;
    visit(interval, range < ranges.length && (ranges[range] ?? 0) <= start);
  }
}
