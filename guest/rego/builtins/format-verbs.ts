/** The verbs of Go's fmt for the three kinds of argument that sprintf knows. */
import type { FormatSpec } from "./sprintf.ts";

/** A string, an integer, or a float (boxed, since JavaScript does not tell 1.0 from 1). */
export type FormatArgument = string | bigint | { readonly float: number };

/** The argument formatted by a verb, or undefined if the verb is not for this kind of argument. */
export function formatVerb(verb: string, value: FormatArgument, spec: FormatSpec): string | undefined {
  if (verb === "T")
    return pad(typeof value === "string" ? "string" : typeof value === "bigint" ? "int" : "float64", spec);
  if (typeof value === "string") return formatString(verb, value, spec);
  return typeof value === "bigint" ? formatInteger(verb, value, spec) : formatFloat(verb, value.float, spec);
}

/** Fills with spaces (or zeros before a text that isn't a number) up to the width, counted in code points. */
function pad(text: string, spec: FormatSpec, fill = spec.zero ? "0" : " "): string {
  const missing = (spec.width ?? 0) - [...text].length;
  if (missing <= 0) return text;
  return spec.minus ? text + " ".repeat(missing) : fill.repeat(missing) + text;
}

function formatString(verb: string, text: string, spec: FormatSpec): string | undefined {
  const cut = spec.precision === undefined ? text : [...text].slice(0, spec.precision).join("");
  switch (verb) {
    case "v":
      return spec.sharp ? pad(quote(cut, spec), spec) : pad(cut, spec);
    case "s":
      return pad(cut, spec);
    case "q":
      return pad(quote(cut, spec), spec);
    case "x":
    case "X": {
      const bytes = Buffer.from(text).subarray(0, spec.precision ?? Number.POSITIVE_INFINITY);
      const pairs = Array.from(bytes, (byte) => (spec.sharp && spec.space ? `0${verb}` : "") + hexByte(byte, verb));
      const hex = pairs.join(spec.space ? " " : "");
      return pad((spec.sharp && !spec.space && hex !== "" ? `0${verb}` : "") + hex, spec);
    }
    default:
      return undefined;
  }
}

function hexByte(byte: number, verb: string): string {
  const digits = byte.toString(16).padStart(2, "0");
  return verb === "X" ? digits.toUpperCase() : digits;
}

const goEscapes: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

function quote(text: string, spec: FormatSpec): string {
  if (spec.sharp && !/[`\0-\x08\n-\x1f\x7f\ufeff]/.test(text)) return `\`${text}\``;
  const escaped = Array.from(text, (character) => goEscapes[character] ?? quoteCharacter(character, spec));
  return `"${escaped.join("")}"`;
}

function quoteCharacter(character: string, spec: FormatSpec): string {
  const codePoint = character.codePointAt(0) ?? 0;
  const isPrintable = character === " " || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character);
  if (isPrintable && (codePoint < 0x80 || !spec.plus)) return character;
  if (codePoint < 0x80) return `\\x${codePoint.toString(16).padStart(2, "0")}`;
  return codePoint < 0x10000 ? `\\u${hex(codePoint, 4)}` : `\\U${hex(codePoint, 8)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

const radixes: Readonly<Record<string, number>> = { b: 2, o: 8, O: 8, d: 10, v: 10, x: 16, X: 16 };
const sharpPrefixes: Readonly<Record<string, string>> = { b: "0b", o: "0", x: "0x", X: "0X" };

function formatInteger(verb: string, value: bigint, spec: FormatSpec): string | undefined {
  const isBig = BigInt.asIntN(64, value) !== value;
  if (verb === "c" || verb === "q" || verb === "U") return isBig ? undefined : formatCodePoint(verb, value, spec);
  // Beyond 64 bits Go's type is another, which takes %s as well.
  const radix = verb === "s" && isBig ? 10 : radixes[verb];
  if (radix === undefined) return undefined;
  const magnitude = (value < 0n ? -value : value).toString(radix);
  // Precision 0 with value 0 prints no digits.
  let digits = spec.precision === 0 && value === 0n ? "" : magnitude.padStart(spec.precision ?? 0, "0");
  if (verb === "X") digits = digits.toUpperCase();
  const prefix = verb === "O" ? "0o" : spec.sharp ? (sharpPrefixes[verb] ?? "") : "";
  const sign = signOf(value < 0n, spec);
  if (spec.zero && spec.precision === undefined && spec.width !== undefined) {
    digits = digits.padStart(spec.width - sign.length, "0");
  }
  const isDoubled = verb === "o" && digits.startsWith("0") && spec.sharp;
  return pad(sign + (isDoubled ? "" : prefix) + digits, spec, " ");
}

function formatCodePoint(verb: string, value: bigint, spec: FormatSpec): string {
  const isCodePoint = value >= 0n && value <= 0x10ffffn;
  const character = isCodePoint ? String.fromCodePoint(Number(value)) : "\ufffd";
  if (verb === "c") return pad(character, spec);
  if (verb === "U") {
    const name = `U+${value
      .toString(16)
      .toUpperCase()
      .padStart(Math.max(4, spec.precision ?? 0), "0")}`;
    return pad(spec.sharp ? `${name} '${character}'` : name, spec, " ");
  }
  const quoted =
    character === "'" ? "\\'" : character === '"' ? '"' : quote(character, { ...spec, sharp: false }).slice(1, -1);
  return pad(`'${quoted}'`, spec);
}

function signOf(isNegative: boolean, spec: FormatSpec): string {
  if (isNegative) return "-";
  return spec.plus ? "+" : spec.space ? " " : "";
}

function formatFloat(verb: string, value: number, spec: FormatSpec): string | undefined {
  const magnitude = Math.abs(value);
  const digits = floatDigits(verb, magnitude, spec.precision);
  if (digits === undefined) return undefined;
  const sign = signOf(value < 0 || Object.is(value, -0), spec);
  const padded = spec.zero ? digits.padStart((spec.width ?? 0) - sign.length, "0") : digits;
  return pad(sign + padded, spec, " ");
}

function floatDigits(verb: string, magnitude: number, precision: number | undefined): string | undefined {
  switch (verb) {
    case "f":
    case "F":
      return fixed(magnitude, precision ?? 6);
    case "e":
    case "E":
      return upperIf(verb === "E", exponential(magnitude, Math.min(precision ?? 6, 100)));
    case "v":
    case "g":
    case "G":
      return upperIf(verb === "G", general(magnitude, precision));
    default:
      return undefined;
  }
}

function upperIf(condition: boolean, text: string): string {
  return condition ? text.toUpperCase() : text;
}

/** Exact decimal expansion cut to a number of places, halves to even as in Go: toFixed stops at 100 places and 1e21. */
function fixed(magnitude: number, places: number): string {
  if (magnitude < 1e21 && places <= 100) return magnitude.toFixed(places);
  const shown = Math.min(places, 100);
  const whole = BigInt(Math.trunc(magnitude)).toString();
  const fraction = (magnitude % 1).toFixed(shown).slice(1);
  return whole + fraction + "0".repeat(places - shown);
}

function exponential(magnitude: number, places: number | undefined): string {
  const text = places === undefined ? magnitude.toExponential() : magnitude.toExponential(places);
  // Go writes at least two digits of exponent.
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** From this exponent on the shortest form is written with an exponent. */
const shortestLimit = 6;

/** The shorter of %e and %f, as C's %g; the fewest digits that give the number back when no precision is given. */
function general(magnitude: number, precision: number | undefined): string {
  if (magnitude === 0) return "0";
  const significant = precision === undefined ? undefined : Math.min(Math.max(precision, 1), 100);
  const scientific = exponential(magnitude, significant === undefined ? undefined : significant - 1);
  const [mantissa = "", exponentText = "0"] = scientific.split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= (significant ?? shortestLimit)) {
    return significant === undefined ? scientific : `${trimZeros(mantissa)}e${exponentText}`;
  }
  if (significant === undefined) return plainDigits(mantissa.replace(".", ""), exponent);
  return trimZeros(magnitude.toFixed(Math.min(Math.max(significant - 1 - exponent, 0), 100)));
}

function plainDigits(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
