import { anyCodePoint, anyExceptNewline, normalizeRanges } from "./char-class.ts";
import { RegexSyntaxError } from "./errors.ts";
import { maxCaptureGroups, maxNestingDepth, maxPatternLength, maxRepeat } from "./limits.ts";
import { readBracketClass, readPerlClass, readUnicodeClass } from "./parse-class.ts";
import { PatternReader, readEscape } from "./pattern-reader.ts";
import { StepCounter } from "./step-counter.ts";
import { Assertion, type ParsedPattern, type RegexNode } from "./syntax-tree.ts";
import { foldOrbit } from "./unicode.ts";

/** The switches of `(?imsU)`. */
interface Flags {
  readonly foldCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly ungreedy: boolean;
}

/** Characters without a meaning of their own. */
const plainText = /[^\\.+*?()|[\]{}^$]+/y;

const noFlags: Flags = { foldCase: false, multiLine: false, dotAll: false, ungreedy: false };

const flagNames: Readonly<Record<string, keyof Flags>> = {
  i: "foldCase",
  m: "multiLine",
  s: "dotAll",
  U: "ungreedy",
};

/** An open group: what was read of it so far, and what to restore when it closes. */
interface Group {
  /** Index of the capture, or undefined for `(?:…)` and for the pattern as a whole. */
  readonly captureIndex: number | undefined;
  readonly outerFlags: Flags;
  readonly branches: RegexNode[];
  parts: RegexNode[];
}

const empty: RegexNode = { kind: "empty" };

/**
 * Parses a pattern in RE2's dialect as Go's regexp package accepts it.
 *
 * Works with a stack of open groups instead of recursion, so that nesting can't exhaust the call stack.
 * Throws RegexSyntaxError for a malformed pattern and for constructs that RE2 leaves out (back-references, look-around),
 * RegexLimitError when reading it costs more than `steps` has left.
 */
export function parsePattern(pattern: string, steps: StepCounter = new StepCounter()): ParsedPattern {
  if (pattern.length > maxPatternLength) throw new RegexSyntaxError("expression too large", pattern.slice(0, 32));
  return new PatternParser(pattern, steps).parse();
}

class PatternParser {
  readonly #reader: PatternReader;
  readonly #groupNames: (string | undefined)[] = [undefined];
  #flags: Flags = noFlags;
  #stack: Group[] = [];
  #group: Group = { captureIndex: undefined, outerFlags: noFlags, branches: [], parts: [] };
  /** Where the repetition that was read last began, if nothing followed it yet. */
  #lastRepeatStart: number | undefined;
  /** Height of each repeated or grouped subtree and its greatest product of counts. */
  readonly #measures = new WeakMap<RegexNode, { readonly height: number; readonly repeats: number }>();

  constructor(pattern: string, steps: StepCounter) {
    this.#reader = new PatternReader(pattern, steps);
  }

  parse(): ParsedPattern {
    while (!this.#reader.atEnd) this.#parseNext();
    if (this.#stack.length > 0) throw new RegexSyntaxError("missing closing )", this.#reader.text);
    return { root: this.#finishGroup(this.#group), groupNames: this.#groupNames };
  }

  #parseNext(): void {
    const reader = this.#reader;
    const start = reader.position;
    const lastRepeatStart = this.#lastRepeatStart;
    this.#lastRepeatStart = undefined;
    switch (reader.text.charAt(start)) {
      case "(":
        this.#openGroup();
        return;
      case ")":
        this.#closeGroup();
        return;
      case "|":
        reader.accept("|");
        this.#group.branches.push(this.#concat(this.#group.parts));
        this.#group.parts = [];
        return;
      case "*":
      case "+":
      case "?":
      case "{":
        this.#repeatOrBrace(lastRepeatStart);
        return;
      case "[":
        this.#push({ kind: "class", ranges: readBracketClass(reader, this.#flags.foldCase) });
        return;
      case ".":
        reader.accept(".");
        this.#push({ kind: "class", ranges: this.#flags.dotAll ? anyCodePoint : anyExceptNewline });
        return;
      case "^":
        reader.accept("^");
        this.#pushAssertion(this.#flags.multiLine ? Assertion.beginLine : Assertion.beginText);
        return;
      case "$":
        reader.accept("$");
        this.#pushAssertion(this.#flags.multiLine ? Assertion.endLine : Assertion.endText);
        return;
      case "\\":
        this.#parseBackslash();
        return;
      default:
        this.#parseText();
        return;
    }
  }

  /** Reads a row of plain characters. */
  #parseText(): void {
    const reader = this.#reader;
    const text = reader.match(plainText);
    if (text.length < 2 || this.#flags.foldCase) {
      // Other characters are literals where they stand alone: "]", "}".
      for (const character of text === "" ? reader.nextText() : text) this.#pushLiteral(character.codePointAt(0) ?? 0);
      return;
    }
    this.#push({ kind: "text", text });
  }

  #push(node: RegexNode): void {
    this.#group.parts.push(node);
  }

  #pushAssertion(assertion: number): void {
    this.#push({ kind: "assertion", assertion });
  }

  #pushLiteral(codePoint: number): void {
    const orbit = this.#flags.foldCase ? foldOrbit(codePoint) : [codePoint];
    if (orbit.length === 1) this.#push({ kind: "literal", codePoint });
    else this.#push({ kind: "class", ranges: normalizeRanges(orbit.flatMap((member) => [member, member])) });
  }

  #parseBackslash(): void {
    const reader = this.#reader;
    if (reader.accept("\\A")) {
      this.#pushAssertion(Assertion.beginText);
      return;
    }
    if (reader.accept("\\z")) {
      this.#pushAssertion(Assertion.endText);
      return;
    }
    if (reader.accept("\\b")) {
      this.#pushAssertion(Assertion.wordBoundary);
      return;
    }
    if (reader.accept("\\B")) {
      this.#pushAssertion(Assertion.noWordBoundary);
      return;
    }
    if (reader.accept("\\Q")) {
      this.#parseQuoted();
      return;
    }
    const { foldCase } = this.#flags;
    const ranges = readUnicodeClass(reader, foldCase) ?? readPerlClass(reader, foldCase);
    if (ranges !== undefined) {
      this.#push({ kind: "class", ranges });
      return;
    }
    this.#pushLiteral(readEscape(reader));
  }

  #parseQuoted(): void {
    const reader = this.#reader;
    while (!reader.atEnd && !reader.accept("\\E")) this.#pushLiteral(reader.next());
  }

  #openGroup(): void {
    const reader = this.#reader;
    const outerFlags = this.#flags;
    const start = reader.position;
    reader.accept("(");
    let captureIndex: number | undefined;
    if (reader.accept("?P<") || reader.accept("?<")) captureIndex = this.#openCapture(this.#readGroupName(start));
    else if (!reader.accept("?")) captureIndex = this.#openCapture(undefined);
    else if (!this.#readFlags(start)) return;
    if (this.#stack.length >= maxNestingDepth) throw new RegexSyntaxError("expression nests too deeply", reader.text);
    this.#stack.push(this.#group);
    this.#group = { captureIndex, outerFlags, branches: [], parts: [] };
  }

  #openCapture(name: string | undefined): number {
    if (this.#groupNames.length > maxCaptureGroups) {
      throw new RegexSyntaxError("expression too large", this.#reader.text);
    }
    return this.#groupNames.push(name) - 1;
  }

  #readGroupName(start: number): string {
    const reader = this.#reader;
    const end = reader.text.indexOf(">", reader.position);
    if (end < 0) throw new RegexSyntaxError("invalid named capture", reader.text.slice(start));
    const name = reader.text.slice(reader.position, end);
    reader.position = end + 1;
    if (!/^\w+$/.test(name)) throw new RegexSyntaxError("invalid named capture", reader.since(start));
    return name;
  }

  /** Reads what follows `(?`: true for `i-s:`, which opens a group, false for `i-s)`, which does not. */
  #readFlags(start: number): boolean {
    const reader = this.#reader;
    const flags = { ...this.#flags };
    let value = true;
    let seenFlag = false;
    while (!reader.atEnd) {
      const character = String.fromCodePoint(reader.next());
      const flag = flagNames[character];
      if (flag !== undefined) {
        flags[flag] = value;
        seenFlag = true;
      } else if (character === "-" && value) {
        value = false;
        seenFlag = false;
      } else if ((character === ":" || character === ")") && (value || seenFlag)) {
        this.#flags = flags;
        return character === ":";
      } else {
        throw new RegexSyntaxError("invalid or unsupported Perl syntax", reader.since(start));
      }
    }
    const reason = reader.since(start) === "(?" ? "invalid or unsupported Perl syntax" : "missing closing )";
    throw new RegexSyntaxError(reason, reader.since(start));
  }

  #closeGroup(): void {
    const outer = this.#stack.pop();
    if (outer === undefined) throw new RegexSyntaxError("unexpected )", this.#reader.text);
    this.#reader.accept(")");
    const { captureIndex, outerFlags } = this.#group;
    const body = this.#finishGroup(this.#group);
    this.#flags = outerFlags;
    this.#group = outer;
    if (captureIndex === undefined) {
      // A repetition after the group repeats all of it: see #takeRepeated.
      this.#push(body.kind === "text" ? { kind: "concat", parts: [body] } : body);
      return;
    }
    this.#push(this.#measured({ kind: "capture", index: captureIndex, body }, [body], 1));
  }

  #finishGroup(group: Group): RegexNode {
    const last = this.#concat(group.parts);
    if (group.branches.length === 0) return last;
    const branches = [...group.branches, last];
    return this.#measured({ kind: "alternate", branches }, branches, 1);
  }

  #concat(parts: readonly RegexNode[]): RegexNode {
    const [only] = parts;
    if (only === undefined) return empty;
    return parts.length === 1 ? only : this.#measured({ kind: "concat", parts }, parts, 1);
  }

  #repeatOrBrace(lastRepeatStart: number | undefined): void {
    const reader = this.#reader;
    const start = reader.position;
    const counts = readCounts(reader);
    if (counts === undefined) {
      this.#pushLiteral(reader.next());
      return;
    }
    if (counts.tooLarge) throw new RegexSyntaxError("invalid repeat count", reader.since(start));
    const lazy = reader.accept("?");
    if (lastRepeatStart !== undefined) {
      throw new RegexSyntaxError("invalid nested repetition operator", reader.since(lastRepeatStart));
    }
    const body = this.#takeRepeated();
    if (body === undefined) {
      throw new RegexSyntaxError("missing argument to repetition operator", reader.since(start));
    }
    const { min, max } = counts;
    const node: RegexNode = { kind: "repeat", body, min, max, greedy: lazy === this.#flags.ungreedy };
    const count = max === Number.POSITIVE_INFINITY ? min : max;
    const measured = this.#measured(node, [body], Math.max(count, 1));
    if (count >= 2 && (this.#measures.get(measured)?.repeats ?? 0) > maxRepeat) {
      throw new RegexSyntaxError("invalid repeat count", reader.since(start));
    }
    this.#push(measured);
    this.#lastRepeatStart = start;
  }

  /** Takes back what a repetition repeats: the part before it, and of a row of characters the last one. */
  #takeRepeated(): RegexNode | undefined {
    const part = this.#group.parts.pop();
    if (part?.kind !== "text") return part;
    const last = lastCodePoint(part.text);
    if (last.length < part.text.length) this.#push({ kind: "text", text: part.text.slice(0, -last.length) });
    return { kind: "literal", codePoint: last.codePointAt(0) ?? 0 };
  }

  /** Records the height and the product of counts of a new node; refuses what is too deep for the later, recursive, steps. */
  #measured(node: RegexNode, children: readonly RegexNode[], count: number): RegexNode {
    let height = 0;
    let repeats = 1;
    for (const child of children) {
      const measure = this.#measures.get(child);
      height = Math.max(height, measure?.height ?? 0);
      repeats = Math.max(repeats, measure?.repeats ?? 1);
    }
    if (height >= maxNestingDepth) throw new RegexSyntaxError("expression nests too deeply", this.#reader.text);
    this.#measures.set(node, { height: height + 1, repeats: repeats * count });
    return node;
  }
}

/** The last code point of a text that is not empty. */
function lastCodePoint(text: string): string {
  const [pair] = /[\ud800-\udbff][\udc00-\udfff]$/.exec(text) ?? [];
  return pair ?? text.slice(-1);
}

interface Counts {
  readonly min: number;
  readonly max: number;
  readonly tooLarge: boolean;
}

/** Reads `*`, `+`, `?`, `{2}`, `{2,}` or `{2,3}`; undefined (and nothing read) for a brace that is a literal. */
function readCounts(reader: PatternReader): Counts | undefined {
  if (reader.accept("*")) return { min: 0, max: Number.POSITIVE_INFINITY, tooLarge: false };
  if (reader.accept("+")) return { min: 1, max: Number.POSITIVE_INFINITY, tooLarge: false };
  if (reader.accept("?")) return { min: 0, max: 1, tooLarge: false };
  const match = /^\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}/.exec(
    reader.text.slice(reader.position, reader.position + 2 * maxCountLength),
  );
  if (match === null) return undefined;
  reader.position += match[0].length;
  const min = Number(match[1]);
  const max = match[2] === undefined ? min : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
  const tooLarge = min > maxRepeat || (max > maxRepeat && max !== Number.POSITIVE_INFINITY) || min > max;
  return { min, max, tooLarge };
}

/** Digits of a count that are looked at; more can't be a valid count. */
const maxCountLength = 64;
