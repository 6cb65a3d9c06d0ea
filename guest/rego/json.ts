/** JSON text to values and back, exact in numbers. */

import type { JsonInput } from "./json-input.ts";
import { defaultLimits } from "./limits.ts";
import { NumberError, numberToText, parseNumber, toDouble } from "./number.ts";
import { compareStrings } from "./string-order.ts";
import { isArray, isNumber, RegoObject, RegoSet, type Value } from "./value.ts";

/** Text that is not JSON, or nests too deep. `offset` counts UTF-16 units. */
export class JsonError extends Error {
  override readonly name = "JsonError";
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at offset ${offset}`);
    this.offset = offset;
  }
}

/** Parses JSON text. Numbers stay exact, of duplicate keys the last one counts. Throws JsonError. */
export function parseJson(text: string, maxDepth = defaultLimits.maxValueDepth): Value {
  const parser = new JsonParser(text, maxDepth);
  return parser.parse();
}

const stringPart = /[^"\\\u0000-\u001f]*/y;
const numberPart = /-?[0-9][0-9.eE+-]*/y;
const spacePart = /[ \t\r\n]*/y;

class JsonParser {
  readonly #text: string;
  readonly #maxDepth: number;
  #offset = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  parse(): Value {
    const value = this.#value(0);
    this.#space();
    if (this.#offset < this.#text.length) {
      throw this.#error("unexpected text after the value");
    }
    return value;
  }

  #value(depth: number): Value {
    this.#space();
    if (depth > this.#maxDepth) {
      throw this.#error(`nested more than ${this.#maxDepth} levels`);
    }
    switch (this.#text[this.#offset]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): Value {
    const object = new RegoObject();
    this.#offset += 1;
    if (this.#take("}")) {
      return object;
    }
    do {
      this.#space();
      const key = this.#string();
      this.#expect(":");
      object.set(key, this.#value(depth + 1));
    } while (this.#take(","));
    this.#expect("}");
    return object;
  }

  #array(depth: number): Value {
    const items: Value[] = [];
    this.#offset += 1;
    if (this.#take("]")) {
      return items;
    }
    do {
      items.push(this.#value(depth + 1));
    } while (this.#take(","));
    this.#expect("]");
    return items;
  }

  #string(): string {
    const start = this.#offset;
    if (this.#text[start] !== '"') {
      throw this.#error("expected a string");
    }
    this.#offset += 1;
    for (;;) {
      this.#match(stringPart);
      const next = this.#text[this.#offset];
      if (next === '"') {
        this.#offset += 1;
        return this.#unescaped(start);
      }
      if (next !== "\\") {
        throw this.#error("unterminated string");
      }
      this.#offset += 2;
    }
  }

  #unescaped(start: number): string {
    const quoted = this.#text.slice(start, this.#offset);
    if (!quoted.includes("\\")) {
      return quoted.slice(1, -1);
    }
    try {
      // A JSON string, checked for its type by the caller's opening quote. Go reads half a surrogate pair as U+FFFD too.
      return (JSON.parse(quoted) as string).toWellFormed();
    } catch (cause) {
      throw new JsonError("bad escape in a string", start + (cause instanceof JsonError ? cause.offset : 0));
    }
  }

  #number(): Value {
    const text = this.#match(numberPart);
    try {
      const value = parseNumber(text);
      if (value !== undefined) {
        return value;
      }
    } catch (cause) {
      if (cause instanceof NumberError) {
        throw this.#error(cause.message);
      }
      throw cause;
    }
    throw this.#error("unexpected text");
  }

  #word(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#offset)) {
      throw this.#error("unexpected text");
    }
    this.#offset += word.length;
    return value;
  }

  #space(): void {
    this.#match(spacePart);
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#offset] !== character) {
      return false;
    }
    this.#offset += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) {
      throw this.#error(`expected ${character}`);
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const text = pattern.exec(this.#text)?.[0] ?? "";
    this.#offset += text.length;
    return text;
  }

  #error(message: string): JsonError {
    return new JsonError(message, this.#offset);
  }
}

/**
 * The value as plain JSON data: sets become arrays in Rego order, keys that are not strings their JSON text, fractions
 * the nearest double. Objects have no prototype.
 */
export function toJson(value: Value): JsonInput {
  if (value === null || typeof value !== "object") {
    return value;
  }
  if (isNumber(value)) {
    return toDouble(value);
  }
  if (value instanceof RegoObject) {
    const record: { [key: string]: JsonInput } = Object.create(null);
    for (const [key, member] of value.entries()) {
      record[keyText(key)] = toJson(member);
    }
    return record;
  }
  const items = value instanceof RegoSet ? value.values() : value;
  return items.map(toJson);
}

/** Compact JSON text of the value, numbers exact; sets and keys as in `toJson`. Members in order of their keys. */
export function toJsonText(value: Value): string {
  if (value === null || typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") {
    return JSON.stringify(value);
  }
  if (isNumber(value)) {
    return numberToText(value);
  }
  if (value instanceof RegoObject) {
    const members = value.keys().map((key) => [keyText(key), key] as const);
    members.sort(([a], [b]) => compareStrings(a, b));
    return `{${members.map(([text, key]) => `${JSON.stringify(text)}:${toJsonText(value.get(key) ?? null)}`).join(",")}}`;
  }
  const items = value instanceof RegoSet ? value.values() : isArray(value) ? value : [];
  return `[${items.map(toJsonText).join(",")}]`;
}

function keyText(key: Value): string {
  return typeof key === "string" ? key : toJsonText(key);
}
