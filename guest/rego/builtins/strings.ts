/** Built-ins that search and take apart strings. */
import { ceiling, compareNumbers, floor, toBigInt } from "../number.ts";
import { indexOfText, occurrences, splitText } from "../text-search.ts";
import type { RegoObject, Value } from "../value.ts";
import { codePointLength, hasSurrogates, unitOffset } from "./code-points.ts";
import { maxResultLength } from "./limits.ts";
import {
  builtin,
  chargeReading,
  chargeText,
  number,
  type Operand,
  object,
  smallInteger,
  string,
  stringOrStrings,
  strings,
  valueError,
} from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

/** A test of two strings. */
function stringTest(name: string, test: (text: string, part: string) => boolean): Builtin {
  return builtin(name, [string, string], (context, text, part) => {
    chargeReading(context, text.length);
    return test(text, part);
  });
}

/** A function from string to string that is no longer than a few times the input. */
function stringMap(name: string, map: (text: string) => string): Builtin {
  return builtin(name, [string], (context, text) => {
    chargeText(context, text.length);
    return map(text);
  });
}

/** A function of a text and a second string that only takes something away. */
function stringCut(name: string, cut: (text: string, part: string) => string): Builtin {
  return builtin(name, [string, string], (context, text, part) => {
    chargeText(context, text.length + part.length);
    return cut(text, part);
  });
}

function anyPair(name: string, test: (text: string, part: string) => boolean): Builtin {
  return builtin(name, [stringOrStrings, stringOrStrings], (context, texts, parts) => {
    context.charge(texts.length * parts.length);
    return texts.some((text) => parts.some((part) => test(text, part)));
  });
}

function concat(context: BuiltinContext, delimiter: string, parts: readonly string[]): string {
  let length = delimiter.length * parts.length;
  for (const part of parts) length += part.length;
  context.charge(parts.length);
  chargeText(context, length);
  if (length > maxResultLength) throw valueError("concat", "result is too long");
  return parts.join(delimiter);
}

function split(context: BuiltinContext, text: string, delimiter: string): readonly string[] {
  chargeReading(context, text.length);
  // An empty delimiter splits into code points, which JavaScript's split would not.
  const parts = delimiter === "" ? [...text] : splitText(text, delimiter);
  context.chargeOutput(parts.length);
  return parts;
}

function replaceAll(context: BuiltinContext, name: string, text: string, old: string, replacement: string): string {
  chargeReading(context, text.length);
  const parts = old === "" ? ["", ...text, ""] : splitText(text, old);
  const length = text.length - (parts.length - 1) * old.length + (parts.length - 1) * replacement.length;
  chargeText(context, length);
  if (length > maxResultLength) throw valueError(name, "result is too long");
  return parts.join(replacement);
}

/** All replacements in one pass: at each place the first pattern in key order that fits; nothing is replaced twice. */
function replaceMany(context: BuiltinContext, patterns: RegoObject, text: string): string {
  const pairs: [string, string][] = [];
  for (const [old, replacement] of patterns) {
    if (typeof old !== "string" || typeof replacement !== "string") {
      throw valueError("strings.replace_n", "operand 1 must be an object of strings");
    }
    pairs.push([old, replacement]);
  }
  context.charge(text.length * pairs.reduce((cost, [old]) => cost + 1 + (old.length >>> 6), 0));
  let result = "";
  let copiedTo = 0;
  for (let position = 0; position <= text.length; ) {
    const pair = pairs.find(([old]) => text.startsWith(old, position));
    if (pair === undefined) {
      position++;
      continue;
    }
    const [old, replacement] = pair;
    chargeText(context, replacement.length);
    result += text.slice(copiedTo, position) + replacement;
    copiedTo = position + old.length;
    // After an empty pattern the code unit at this place is passed over, so that the loop goes on.
    position = old === "" ? position + 1 : copiedTo;
  }
  return result + text.slice(copiedTo);
}

function substring(context: BuiltinContext, text: string, offset: number, length: number): Value {
  if (offset < 0) throw valueError("substring", "negative offset");
  chargeText(context, text.length);
  const start = unitOffset(text, offset);
  return length < 0 ? text.slice(start) : text.slice(start, start + unitOffset(text.slice(start), length));
}

function indexOf(context: BuiltinContext, text: string, part: string): number {
  if (part === "") throw valueError("indexof", "empty search character");
  chargeReading(context, text.length);
  const offset = indexOfText(text, part);
  return offset < 0 ? -1 : codePointLength(text.slice(0, offset));
}

function allIndexes(context: BuiltinContext, text: string, part: string): readonly number[] {
  if (part === "") throw valueError("indexof_n", "empty search character");
  chargeReading(context, text.length);
  const indexes: number[] = [];
  let codePoints = 0;
  let last = 0;
  // Overlapping places count too.
  for (const offset of occurrences(text, part)) {
    context.chargeOutput(1);
    codePoints += codePointLength(text.slice(last, offset));
    indexes.push(codePoints);
    last = offset;
  }
  return indexes;
}

function countOccurrences(context: BuiltinContext, text: string, part: string): number {
  chargeReading(context, text.length);
  if (part === "") return codePointLength(text) + 1;
  let count = 0;
  let end = 0;
  for (const offset of occurrences(text, part)) {
    if (offset < end) continue;
    count++;
    end = offset + part.length;
  }
  return count;
}

function trimSet(text: string, cutset: string, left: boolean, right: boolean): string {
  const cut = new Set(cutset);
  const codePoints = hasSurrogates(text) ? [...text] : text;
  let start = 0;
  let end = codePoints.length;
  while (left && start < end && cut.has(codePoints[start] ?? "")) start++;
  while (right && end > start && cut.has(codePoints[end - 1] ?? "")) end--;
  const kept = codePoints.slice(start, end);
  return typeof kept === "string" ? kept : kept.join("");
}

/** Go's unicode.IsSpace, which is not JavaScript's white space: it has U+0085 and not U+FEFF. */
const spaceAround = /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const spaceClass = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trimSpace(text: string): string {
  const start = spaceAround.exec(text)?.[0].length ?? 0;
  let end = text.length;
  while (end > start && spaceClass.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Case by code point, without the special cases of JavaScript's mapping that change the length of a text. */
function mapCase(text: string, map: (character: string) => string): string {
  const mapped = map(text);
  if (!/[^\0-\x7f]/.test(text)) return mapped;
  return Array.from(text, (character) => {
    const changed = map(character);
    return codePointLength(changed) === 1 ? changed : character;
  }).join("");
}

/** A number of which the integer part counts. */
const integerPart: Operand<bigint> = {
  expected: "number",
  read: (value) => {
    const read = number.read(value);
    return read === undefined ? undefined : toBigInt(compareNumbers(read, 0) < 0 ? ceiling(read) : floor(read));
  },
};

function formatInt(context: BuiltinContext, value: bigint, radix: number): string {
  if (radix !== 2 && radix !== 8 && radix !== 10 && radix !== 16) {
    throw valueError("format_int", "operand 2 must be one of {2, 8, 10, 16}");
  }
  const text = value.toString(radix);
  chargeText(context, text.length);
  return text;
}

export const stringBuiltins: readonly Builtin[] = [
  stringTest("contains", (text, part) => indexOfText(text, part) >= 0),
  stringTest("startswith", (text, part) => text.startsWith(part)),
  stringTest("endswith", (text, part) => text.endsWith(part)),
  anyPair("strings.any_prefix_match", (text, prefix) => text.startsWith(prefix)),
  anyPair("strings.any_suffix_match", (text, suffix) => text.endsWith(suffix)),
  builtin("concat", [string, strings], concat),
  builtin("split", [string, string], split),
  builtin("replace", [string, string, string], (context, text, old, replacement) =>
    replaceAll(context, "replace", text, old, replacement),
  ),
  builtin("strings.replace_n", [object, string], replaceMany),
  builtin("substring", [string, smallInteger, smallInteger], substring),
  builtin("indexof", [string, string], indexOf),
  builtin("indexof_n", [string, string], allIndexes),
  builtin("strings.count", [string, string], countOccurrences),
  // The dotted I is the only letter whose lower case is longer in JavaScript; Go's is the first letter of it.
  stringMap("lower", (text) => mapCase(text.replaceAll("\u0130", "i"), (part) => part.toLowerCase())),
  stringMap("upper", (text) => mapCase(text, (part) => part.toUpperCase())),
  stringMap("strings.reverse", (text) => [...text].reverse().join("")),
  stringMap("trim_space", trimSpace),
  stringCut("trim", (text, cutset) => trimSet(text, cutset, true, true)),
  stringCut("trim_left", (text, cutset) => trimSet(text, cutset, true, false)),
  stringCut("trim_right", (text, cutset) => trimSet(text, cutset, false, true)),
  stringCut("trim_prefix", (text, prefix) => (text.startsWith(prefix) ? text.slice(prefix.length) : text)),
  stringCut("trim_suffix", (text, suffix) =>
    suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text,
  ),
  builtin("format_int", [integerPart, smallInteger], formatInt),
];
