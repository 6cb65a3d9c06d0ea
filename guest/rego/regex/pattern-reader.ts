import type { Ranges } from "./char-class.ts";
import { RegexSyntaxError } from "./errors.ts";
import { maxClassBounds } from "./limits.ts";
import type { StepCounter } from "./step-counter.ts";

/** A position in a pattern, read by code points. */
export class PatternReader {
  readonly text: string;
  position = 0;
  /** Unicode classes that have been read, by their names. */
  readonly #classes = new Map<string, Ranges>();
  readonly #steps: StepCounter;
  #classBounds = 0;

  /** `steps` is told how long the pattern is and how large the Unicode classes in it are. */
  constructor(text: string, steps: StepCounter) {
    this.text = text;
    this.#steps = steps;
    steps.spend(text.length);
  }

  get atEnd(): boolean {
    return this.position >= this.text.length;
  }

  /** Whether the text goes on with `prefix` here. */
  lookingAt(prefix: string): boolean {
    return this.text.startsWith(prefix, this.position);
  }

  /** Steps over `prefix` if the text goes on with it. */
  accept(prefix: string): boolean {
    if (!this.lookingAt(prefix)) return false;
    this.position += prefix.length;
    return true;
  }

  /** The code point here, or -1 at the end. */
  peek(): number {
    return this.text.codePointAt(this.position) ?? -1;
  }

  /** The code point here, stepping over it; -1 at the end. */
  next(): number {
    const codePoint = this.peek();
    if (codePoint >= 0) this.position += codePoint > 0xffff ? 2 : 1;
    return codePoint;
  }

  /** The code point here as text, stepping over it; "" at the end. */
  nextText(): string {
    const start = this.position;
    this.next();
    return this.since(start);
  }

  /** What a sticky expression matches here, stepping over it; "" if it does not. */
  match(expression: RegExp): string {
    const start = this.position;
    expression.lastIndex = start;
    if (expression.test(this.text)) this.position = expression.lastIndex;
    return this.since(start);
  }

  /** The class of this name, made at the first time. Throws RegexSyntaxError when the pattern's classes are too large together. */
  classNamed(name: string, make: () => Ranges | undefined): Ranges | undefined {
    const ranges = this.#classes.get(name) ?? make();
    if (ranges === undefined) return undefined;
    this.#classes.set(name, ranges);
    this.#steps.spend(ranges.length);
    this.#classBounds += ranges.length;
    if (this.#classBounds > maxClassBounds) throw new RegexSyntaxError("expression too large", this.text);
    return ranges;
  }

  /** The text from `start` to here. */
  since(start: number): string {
    return this.text.slice(start, this.position);
  }
}

const simpleEscapes: ReadonlyMap<string, number> = new Map([
  ["a", 0x07],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
  ["v", 0x0b],
]);

/**
 * Reads an escape that stands for one code point, from its backslash: `\n`, `\x41`, `\x{10FFFF}`, `\012`, `\.`.
 * Letters and digits without a meaning are errors, so that a construct of another dialect never passes as a literal.
 */
export function readEscape(reader: PatternReader): number {
  const start = reader.position;
  reader.position += 1;
  if (reader.atEnd) throw new RegexSyntaxError("trailing backslash at end of expression", "");
  const character = String.fromCodePoint(reader.next());
  const codePoint = escapedCodePoint(reader, character);
  if (codePoint === undefined) throw new RegexSyntaxError("invalid escape sequence", reader.since(start));
  return codePoint;
}

function escapedCodePoint(reader: PatternReader, character: string): number | undefined {
  if (character === "x") return readHexDigits(reader);
  // A single digit but 0 would be a back-reference; RE2 has none.
  if (/^[1-7]$/.test(character) && !/^[0-7]/.test(reader.text.charAt(reader.position))) return undefined;
  if (/^[0-7]$/.test(character)) return readOctalDigits(reader, character);
  const simple = simpleEscapes.get(character);
  if (simple !== undefined) return simple;
  const isPunctuation = character < "\u0080" && !/^[0-9A-Za-z]$/.test(character);
  return isPunctuation ? character.charCodeAt(0) : undefined;
}

function readOctalDigits(reader: PatternReader, first: string): number {
  let digits = first;
  while (digits.length < 3 && /^[0-7]$/.test(reader.text.charAt(reader.position))) {
    digits += reader.text.charAt(reader.position);
    reader.position += 1;
  }
  return Number.parseInt(digits, 8);
}

function readHexDigits(reader: PatternReader): number | undefined {
  const rest = reader.text.slice(reader.position, reader.position + 64);
  const match = /^\{([0-9A-Fa-f]+)\}|^([0-9A-Fa-f]{2})/.exec(rest);
  if (match === null) {
    reader.next();
    reader.next();
    return undefined;
  }
  reader.position += match[0].length;
  const value = Number.parseInt(match[1] ?? match[2] ?? "", 16);
  return value <= 0x10ffff ? value : undefined;
}
