import { negateRanges, normalizeRanges, type Ranges, rangesContain, sizeOfRanges } from "./char-class.ts";
import { foldOrbitTable, unicodeTables } from "./unicode-tables.ts";

/**
 * The code points of a general category ("L", "Lu"), a script ("Greek") or "Any"; undefined for an unknown name.
 * RE2's "C" leaves unassigned code points out.
 */
export function unicodeClass(name: string): Ranges | undefined {
  if (name === "Any") return [0, 0x10ffff];
  if (name === "C") return normalizeRanges(["Cc", "Cf", "Co", "Cs"].flatMap((part) => [...(unicodeClass(part) ?? [])]));
  const table = unicodeTables[name];
  return table === undefined ? undefined : decodeTable(table);
}

function decodeTable(table: string): Ranges {
  const ranges: number[] = [];
  let position = 0;
  for (const entry of table.split(" ")) {
    const [gap = "0", length = "0"] = entry.split("-");
    const low = position + Number.parseInt(gap, 36);
    position = low + Number.parseInt(length, 36);
    ranges.push(low, position);
  }
  return ranges;
}

/**
 * For each code point that has other cases: all members of its group, itself included. Decoded when a pattern first asks:
 * most policies fold no case, and it would be a tenth of the engine's start. A memo of a constant, not state.
 */
const foldOrbits = {
  decoded: undefined as ReadonlyMap<number, readonly number[]> | undefined,
  all(): ReadonlyMap<number, readonly number[]> {
    this.decoded ??= decodeOrbits(foldOrbitTable);
    return this.decoded;
  },
};

function decodeOrbits(table: string): Map<number, readonly number[]> {
  const orbits = new Map<number, readonly number[]>();
  for (const entry of table.split(" ")) {
    const numbers = entry.split("+").map((digits) => Number.parseInt(digits, 36));
    const first = numbers[0] ?? 0;
    const orbit = numbers.map((distance, index) => (index === 0 ? first : first + distance));
    for (const member of orbit) orbits.set(member, orbit);
  }
  return orbits;
}

/** The code points equal to this one under simple case folding, itself included. */
export function foldOrbit(codePoint: number): readonly number[] {
  return foldOrbits.all().get(codePoint) ?? [codePoint];
}

/** The ranges and everything equal to a member under simple case folding. */
export function foldRanges(ranges: Ranges): Ranges {
  const folded: number[] = [...ranges];
  const orbits = foldOrbits.all();
  if (sizeOfRanges(ranges) > orbits.size) {
    // Most members of a wide class have their other cases in it.
    const isMissing = (codePoint: number): boolean => !rangesContain(ranges, codePoint);
    for (const [member, orbit] of orbits) {
      if (!isMissing(member)) addPoints(folded, orbit.filter(isMissing));
    }
    return normalizeRanges(folded);
  }
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const high = ranges[i + 1] ?? 0;
    for (let codePoint = ranges[i] ?? 0; codePoint <= high; codePoint++) {
      addPoints(folded, orbits.get(codePoint) ?? []);
    }
  }
  return normalizeRanges(folded);
}

function addPoints(ranges: number[], codePoints: readonly number[]): void {
  for (const codePoint of codePoints) ranges.push(codePoint, codePoint);
}

const perlClasses: Readonly<Record<string, Ranges>> = {
  d: [0x30, 0x39],
  s: [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20],
  w: [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a],
};

/**
 * The ASCII class of \d, \s, \w and their negations \D, \S, \W, by letter; undefined for any other letter. With `foldCase`
 * everything equal to a member is one too: to `(?i)\w` belongs the long s.
 */
export function perlClass(letter: string, foldCase: boolean): Ranges | undefined {
  if (!/^[dswDSW]$/.test(letter)) return undefined;
  const ranges = perlClasses[letter.toLowerCase()];
  return ranges && classOf(ranges, foldCase, letter !== letter.toLowerCase());
}

function classOf(ranges: Ranges, foldCase: boolean, negated: boolean): Ranges {
  const members = foldCase ? foldRanges(ranges) : ranges;
  return negated ? negateRanges(members) : members;
}

const posixClasses: ReadonlyMap<string, Ranges> = new Map([
  ["alnum", [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a]],
  ["alpha", [0x41, 0x5a, 0x61, 0x7a]],
  ["ascii", [0x00, 0x7f]],
  ["blank", [0x09, 0x09, 0x20, 0x20]],
  ["cntrl", [0x00, 0x1f, 0x7f, 0x7f]],
  ["digit", [0x30, 0x39]],
  ["graph", [0x21, 0x7e]],
  ["lower", [0x61, 0x7a]],
  ["print", [0x20, 0x7e]],
  ["punct", [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]],
  ["space", [0x09, 0x0d, 0x20, 0x20]],
  ["upper", [0x41, 0x5a]],
  ["word", [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]],
  ["xdigit", [0x30, 0x39, 0x41, 0x46, 0x61, 0x66]],
]);

/** The class of [:name:] or [:^name:], by what stands between the colons; undefined for an unknown name. `foldCase` as above. */
export function posixClass(name: string, foldCase: boolean): Ranges | undefined {
  const negated = name.startsWith("^");
  const ranges = posixClasses.get(negated ? name.slice(1) : name);
  return ranges && classOf(ranges, foldCase, negated);
}
