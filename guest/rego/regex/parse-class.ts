import { negateRanges, normalizeRanges, type Ranges } from "./char-class.ts";
import { RegexSyntaxError } from "./errors.ts";
import { type PatternReader, readEscape } from "./pattern-reader.ts";
import { foldRanges, perlClass, posixClass, unicodeClass } from "./unicode.ts";

/**
 * Reads a bracket class such as `[^a-z[:digit:]\pL]` from its opening bracket. With `foldCase` each member stands for both
 * cases, before it or the whole is negated: `\W` among the members has no letter that is equal to a word character.
 */
export function readBracketClass(reader: PatternReader, foldCase: boolean): Ranges {
  const start = reader.position;
  reader.accept("[");
  const negated = reader.accept("^");
  const named: number[] = [];
  const ranges: number[] = [];
  let first = true;
  while (first || !reader.lookingAt("]")) {
    first = false;
    const namedClass = readNamedClass(reader, foldCase);
    // Not `push(...namedClass)`: a spread of thousands of arguments can overflow the stack.
    if (namedClass !== undefined) for (const bound of namedClass) named.push(bound);
    else readRange(reader, start, ranges);
  }
  reader.accept("]");
  const members = normalizeRanges([...named, ...(foldCase ? foldRanges(normalizeRanges(ranges)) : ranges)]);
  return negated ? negateRanges(members) : members;
}

function readNamedClass(reader: PatternReader, foldCase: boolean): Ranges | undefined {
  if (reader.lookingAt("[:")) return readPosixClass(reader, foldCase);
  return readUnicodeClass(reader, foldCase) ?? readPerlClass(reader, foldCase);
}

function readPosixClass(reader: PatternReader, foldCase: boolean): Ranges | undefined {
  const end = reader.text.indexOf(":]", reader.position + 2);
  if (end < 0) return undefined;
  const fragment = reader.text.slice(reader.position, end + 2);
  const ranges = posixClass(fragment.slice(2, -2), foldCase);
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
export function readPerlClass(reader: PatternReader, foldCase: boolean): Ranges | undefined {
  if (!reader.lookingAt("\\")) return undefined;
  const ranges = perlClass(reader.text.charAt(reader.position + 1), foldCase);
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
  const members = reader.classNamed(`${foldCase ? "(?i)" : ""}${name}`, () => {
    const ranges = unicodeClass(name);
    return ranges && foldCase ? foldRanges(ranges) : ranges;
  });
  if (members === undefined) throw new RegexSyntaxError("invalid character class range", reader.since(start));
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
