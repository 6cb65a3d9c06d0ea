import { negateRanges, normalizeRanges, type Ranges } from "./char-class.ts";
import { RegexSyntaxError } from "./errors.ts";
import { type PatternReader, readEscape } from "./pattern-reader.ts";
import { foldRanges, perlClass, posixClass, unicodeClass } from "./unicode.ts";

/**
 * Reads a bracket class such as `[^a-z[:digit:]\pL]` from its opening bracket. With `foldCase`, members of both cases are
 * in the result (before it is negated, as RE2 does).
 */
export function readBracketClass(reader: PatternReader, foldCase: boolean): Ranges {
  const start = reader.position;
  reader.accept("[");
  const negated = reader.accept("^");
  const ranges: number[] = [];
  let first = true;
  while (first || !reader.lookingAt("]")) {
    first = false;
    const named = readNamedClass(reader, foldCase);
    // Not `push(...named)`: a spread of thousands of arguments can overflow the stack.
    if (named !== undefined) for (const bound of named) ranges.push(bound);
    else readRange(reader, start, ranges);
  }
  reader.accept("]");
  const members = foldCase ? foldRanges(normalizeRanges(ranges)) : normalizeRanges(ranges);
  return negated ? negateRanges(members) : members;
}

function readNamedClass(reader: PatternReader, foldCase: boolean): Ranges | undefined {
  if (reader.lookingAt("[:")) return readPosixClass(reader);
  return readUnicodeClass(reader, foldCase) ?? readPerlClass(reader);
}

function readPosixClass(reader: PatternReader): Ranges | undefined {
  const end = reader.text.indexOf(":]", reader.position + 2);
  if (end < 0) return undefined;
  const fragment = reader.text.slice(reader.position, end + 2);
  const ranges = posixClass(fragment.slice(2, -2));
  if (ranges === undefined) throw new RegexSyntaxError("invalid character class range", fragment);
  reader.position = end + 2;
  return ranges;
}

function readRange(reader: PatternReader, classStart: number, ranges: number[]): void {
  const start = reader.position;
  const low = readMember(reader, classStart);
  let high = low;
  const isRange = reader.lookingAt("-") && reader.text.charAt(reader.position + 1) !== "]";
  // A hyphen that ends the pattern is a member; the missing bracket is reported next.
  if (isRange && reader.position + 1 < reader.text.length) {
    reader.accept("-");
    high = readMember(reader, classStart);
    if (high < low) throw new RegexSyntaxError("invalid character class range", reader.since(start));
  }
  ranges.push(low, high);
}

function readMember(reader: PatternReader, classStart: number): number {
  if (reader.atEnd) throw new RegexSyntaxError("missing closing ]", reader.text.slice(classStart));
  return reader.lookingAt("\\") ? readEscape(reader) : reader.next();
}

/** Reads `\d`, `\S` and the like; undefined (and nothing read) if there is none here. */
export function readPerlClass(reader: PatternReader): Ranges | undefined {
  if (!reader.lookingAt("\\")) return undefined;
  const ranges = perlClass(reader.text.charAt(reader.position + 1));
  if (ranges !== undefined) reader.position += 2;
  return ranges;
}

/** Reads `\pL`, `\p{Greek}`, `\p{^Greek}`, `\PL`; undefined (and nothing read) if there is none here. */
export function readUnicodeClass(reader: PatternReader, foldCase: boolean): Ranges | undefined {
  if (!reader.lookingAt("\\p") && !reader.lookingAt("\\P")) return undefined;
  const start = reader.position;
  let negated = reader.text.charAt(start + 1) === "P";
  reader.position += 2;
  let name = readClassName(reader, start);
  if (name.startsWith("^")) {
    negated = !negated;
    name = name.slice(1);
  }
  const ranges = unicodeClass(name);
  if (ranges === undefined) throw new RegexSyntaxError("invalid character class range", reader.since(start));
  const members = foldCase ? foldRanges(ranges) : ranges;
  return negated ? negateRanges(members) : members;
}

function readClassName(reader: PatternReader, start: number): string {
  if (!reader.accept("{")) {
    const codePoint = reader.next();
    return codePoint < 0 ? "" : String.fromCodePoint(codePoint);
  }
  const end = reader.text.indexOf("}", reader.position);
  if (end < 0) throw new RegexSyntaxError("invalid character class range", reader.text.slice(start));
  const name = reader.text.slice(reader.position, end);
  reader.position = end + 1;
  return name;
}
