import { GuestError } from "./errors.ts";
import { decodeUtf8 } from "./utf8.ts";

/** JSON data with exact integers: those outside the safe range of `number` are `bigint`. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** An object without prototype, so that no key is special. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** What a text may cost. */
export interface JsonLimits {
  /** Length in UTF-16 units (or bytes when bytes are given). */
  readonly maxLength: number;
  /** Nesting of arrays and objects. */
  readonly maxDepth: number;
}

/** Enough for every configuration file and request here. */
export const defaultJsonLimits: JsonLimits = { maxLength: 8 * 1024 * 1024, maxDepth: 64 };

/** Digits of an integer; longer ones can only be meant to cost time. */
const maxIntegerDigits = 400;

/**
 * Parses JSON text (RFC 8259) strictly: one value, no duplicate keys, no lone surrogates, no number that a double or an
 * integer can't hold.
 *
 * @param text text, or bytes of UTF-8
 * @returns frozen objects without prototype and frozen arrays; `__proto__` is a key like any other
 * @throws GuestError `invalid-argument` with line and column
 */
export function parseJson(text: string | Uint8Array, limits: JsonLimits = defaultJsonLimits): JsonValue {
  if (text.length > limits.maxLength)
    throw new GuestError("invalid-argument", `JSON text is longer than ${limits.maxLength}`);
  return new JsonParser(typeof text === "string" ? text : decodeUtf8(text, "JSON text"), limits.maxDepth).parse();
}

/** Whether the value is an object, not an array and not null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value is an array. */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/**
 * The value as JSON text, integers exact.
 *
 * @param indent spaces a level; 0 gives one line
 */
export function formatJson(value: JsonValue, indent = 0): string {
  return format(value, indent, "");
}

function format(value: JsonValue, indent: number, margin: string): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = margin + " ".repeat(indent);
  const items = isJsonArray(value)
    ? value.map((item) => format(item, indent, inner))
    : Object.entries(value).map(
        ([key, member]) => `${JSON.stringify(key)}:${indent > 0 ? " " : ""}${format(member, indent, inner)}`,
      );
  const [open, close] = isJsonArray(value) ? ["[", "]"] : ["{", "}"];
  if (items.length === 0) return open + close;
  return indent > 0
    ? `${open}\n${inner}${items.join(`,\n${inner}`)}\n${margin}${close}`
    : `${open}${items.join(",")}${close}`;
}

const space = /[ \t\r\n]*/y;
const plainCharacters = /[^"\\\u0000-\u001f]*/y;
const numberText = /(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y;
const words: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

class JsonParser {
  readonly #text: string;
  readonly #maxDepth: number;
  #offset = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  parse(): JsonValue {
    const value = this.#value(0);
    this.#match(space);
    if (this.#offset < this.#text.length) throw this.#error("unexpected text after the value");
    return value;
  }

  #value(depth: number): JsonValue {
    this.#match(space);
    if (depth > this.#maxDepth) throw this.#error(`nested more than ${this.#maxDepth} levels`);
    switch (this.#text[this.#offset]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      default:
        return this.#wordOrNumber();
    }
  }

  #object(depth: number): JsonObject {
    const object: Record<string, JsonValue> = Object.create(null);
    this.#offset += 1;
    if (this.#take("}")) return Object.freeze(object);
    do {
      this.#match(space);
      const key = this.#string();
      if (key in object) throw this.#error(`duplicate key ${JSON.stringify(key.slice(0, 100))}`);
      this.#expect(":");
      object[key] = this.#value(depth + 1);
    } while (this.#take(","));
    this.#expect("}");
    return Object.freeze(object);
  }

  #array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#offset += 1;
    if (this.#take("]")) return Object.freeze(items);
    do {
      items.push(this.#value(depth + 1));
    } while (this.#take(","));
    this.#expect("]");
    return Object.freeze(items);
  }

  #string(): string {
    const start = this.#offset;
    if (this.#text[start] !== '"') throw this.#error("expected a string");
    this.#offset += 1;
    for (;;) {
      this.#match(plainCharacters);
      const next = this.#text[this.#offset];
      if (next === '"') break;
      if (next !== "\\") throw this.#error("unterminated string or raw control character");
      this.#offset += 2;
    }
    this.#offset += 1;
    const string = this.#unescape(this.#text.slice(start, this.#offset));
    if (!string.isWellFormed()) throw this.#error("lone surrogate in a string");
    return string;
  }

  #unescape(quoted: string): string {
    if (!quoted.includes("\\")) return quoted.slice(1, -1);
    try {
      const string: unknown = JSON.parse(quoted);
      if (typeof string === "string") return string;
    } catch {
      // The reason is that of the engine's own parser; ours has the place in the whole text.
    }
    throw this.#error("bad escape in a string");
  }

  #wordOrNumber(): JsonValue {
    for (const [word, value] of words) {
      if (this.#text.startsWith(word, this.#offset)) {
        this.#offset += word.length;
        return value;
      }
    }
    numberText.lastIndex = this.#offset;
    const match = numberText.exec(this.#text);
    if (match === null) throw this.#error("expected a value");
    const [text, integer = "", rest = ""] = match;
    if (integer.length > maxIntegerDigits) throw this.#error(`number has more than ${maxIntegerDigits} digits`);
    this.#offset += text.length;
    const number = Number(text);
    if (!Number.isFinite(number)) throw this.#error("number is too large");
    if (rest === "") return Number.isSafeInteger(number) ? number + 0 : BigInt(integer);
    return number;
  }

  #take(character: string): boolean {
    this.#match(space);
    if (this.#text[this.#offset] !== character) return false;
    this.#offset += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#error(`expected ${character}`);
  }

  #match(pattern: RegExp): void {
    pattern.lastIndex = this.#offset;
    this.#offset += pattern.exec(this.#text)?.[0].length ?? 0;
  }

  #error(problem: string): GuestError {
    const before = this.#text.slice(0, this.#offset).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    return new GuestError("invalid-argument", `JSON line ${before.length}, column ${column}: ${problem}`);
  }
}
