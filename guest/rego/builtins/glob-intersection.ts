/** regex.globs_match: whether two simple patterns have a string in common. */
import { maxGlobLength } from "./limits.ts";
import { valueError } from "./operands.ts";

/** One element of a pattern: a set of characters as ranges, once or repeated. */
interface GlobToken {
  readonly ranges: readonly (readonly [number, number])[];
  /** May be left out (`*`). */
  readonly optional: boolean;
  /** May be repeated (`*`, `+`). */
  readonly repeated: boolean;
}

const anyCharacter = [[0, 0x10ffff]] as const;

function parseTokens(pattern: string): readonly GlobToken[] {
  if (pattern.length > maxGlobLength) throw failure(pattern, "pattern is too long");
  const tokens: GlobToken[] = [];
  for (const match of pattern.matchAll(/(\\.?|\[(?:\\.|[^\]\\])*\]?|.)([*+]?)/gsu)) {
    const [, element = "", flag = ""] = match;
    tokens.push({ ranges: parseElement(pattern, element), optional: flag === "*", repeated: flag !== "" });
  }
  return tokens;
}

function parseElement(pattern: string, element: string): GlobToken["ranges"] {
  if (element === ".") return anyCharacter;
  if (element === "*" || element === "+") throw failure(pattern, "flag without a preceding character");
  if (element === "]") throw failure(pattern, "set-close ']' with no preceding '['");
  if (element === "\\") throw failure(pattern, "escape without a character");
  if (!element.startsWith("[")) return [pointRange(element.replace(/^\\/, ""))];
  if (element.length < 3 || !element.endsWith("]")) throw failure(pattern, "unterminated or empty set");
  return parseSet(pattern, element.slice(1, -1));
}

function parseSet(pattern: string, members: string): GlobToken["ranges"] {
  return Array.from(members.matchAll(/(\\?.)(?:-(\\?.))?/gsu), ([, low = "", high]) => {
    const [from] = pointRange(low.replace(/^\\(?=.)/su, ""));
    const [to] = high === undefined ? [from] : pointRange(high.replace(/^\\(?=.)/su, ""));
    if (to < from) throw failure(pattern, "range out of order");
    return [from, to] as const;
  });
}

function pointRange(character: string): readonly [number, number] {
  const codePoint = character.codePointAt(0) ?? 0;
  return [codePoint, codePoint];
}

function failure(pattern: string, reason: string) {
  return valueError("regex.globs_match", `input:${pattern.slice(0, 256)}, ${reason}: the input provided is invalid`);
}

/** Whether some text matches both patterns. Time grows with the product of their lengths. */
export function globsIntersect(first: string, second: string): boolean {
  const left = parseTokens(first);
  const right = parseTokens(second);
  const width = right.length + 1;
  // reached[i * width + j]: some text leads to element i of the one and element j of the other.
  const reached = new Uint8Array((left.length + 1) * width);
  reached[0] = 1;
  for (let i = 0; i <= left.length; i++) {
    for (let j = 0; j <= right.length; j++) {
      if (reached[i * width + j] !== 1) continue;
      for (const [down, along] of steps(left[i], right[j])) reached[(i + down) * width + j + along] = 1;
    }
  }
  return reached.at(-1) === 1;
}

/** Where a pair of elements leads: past either or both, by leaving one out or by a character that both accept. */
function steps(a: GlobToken | undefined, b: GlobToken | undefined): readonly (readonly [0 | 1, 0 | 1])[] {
  const next: [0 | 1, 0 | 1][] = [];
  if (a?.optional) next.push([1, 0]);
  if (b?.optional) next.push([0, 1]);
  if (a !== undefined && b !== undefined && overlap(a, b)) {
    next.push([1, 1]);
    // The one stays for another character while the other goes on.
    if (a.repeated) next.push([0, 1]);
    if (b.repeated) next.push([1, 0]);
  }
  return next;
}

function overlap(a: GlobToken, b: GlobToken): boolean {
  return a.ranges.some(([low, high]) => b.ranges.some(([otherLow, otherHigh]) => low <= otherHigh && otherLow <= high));
}
