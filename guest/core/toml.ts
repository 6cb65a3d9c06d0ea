import TomlParser from "@iarna/toml/lib/toml-parser.js";
import { GuestError, messageOf } from "./errors.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Values of a TOML document. Dates keep their type; integers are exact. */
export type TomlValue = string | number | boolean | Date | readonly TomlValue[] | TomlTable;

/** A table without prototype, so that no key is special. */
export interface TomlTable {
  readonly [key: string]: TomlValue;
}

/** What a document may cost. */
export interface TomlLimits {
  /** Length in UTF-16 units (or bytes when bytes are given). */
  readonly maxLength: number;
  /** Nesting of arrays and tables, dotted keys included. */
  readonly maxDepth: number;
}

/** Enough for an initdata document with a generated policy in it. */
export const defaultTomlLimits: TomlLimits = { maxLength: 8 * 1024 * 1024, maxDepth: 32 };

/**
 * Parses a TOML 1.0 document strictly. Besides what the format forbids (duplicate keys and tables), it refuses what parsers
 * read differently, so that one digest has one meaning (threat model row 87): a byte order mark, a carriage return without
 * line feed, integers outside the range that every reader holds exactly, and keys that are names of `Object.prototype`.
 *
 * @param document text, or bytes of UTF-8
 * @returns frozen tables without prototype and frozen arrays
 * @throws GuestError `invalid-argument` with line and column
 */
export function parseToml(document: string | Uint8Array, limits: TomlLimits = defaultTomlLimits): TomlTable {
  if (document.length > limits.maxLength)
    throw new GuestError("invalid-argument", `TOML document is longer than ${limits.maxLength}`);
  const text = typeof document === "string" ? document : decodeUtf8(document, "TOML document");
  refuseAmbiguousText(text);
  const parser = new GuardedTomlParser();
  try {
    parser.parse(text);
    return toTable(parser.finish(), limits.maxDepth);
  } catch (cause) {
    if (cause instanceof GuestError) throw cause;
    throw new GuestError("invalid-argument", `${placeOf(parser)}: ${messageOf(cause)}`, { cause });
  }
}

/** Whether the value is a table. */
export function isTomlTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * The text as a TOML string: a literal block where every character can stand for itself (the newest lines stay readable), else a
 * basic string with escapes. Parsing gives exactly the text back.
 */
export function formatTomlString(text: string): string {
  const literal = !text.includes("'''") && !text.endsWith("'") && !/[^\t\n\x20-\x7e\u0080-\u{10ffff}]/u.test(text);
  if (literal) return `'''\n${text}'''`;
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

/** The library counts lines from 0, and columns from 1 in the first line, from 0 in the others. */
function placeOf({ line, col }: TomlParser): string {
  return `TOML line ${line + 1}, column ${line === 0 ? col : col + 1}`;
}

function refuseAmbiguousText(text: string): void {
  if (text.startsWith("\ufeff")) {
    throw new GuestError("invalid-argument", "TOML line 1, column 1: byte order mark; save the file without it");
  }
  const lone = /\r(?!\n)/.exec(text);
  if (lone !== null) {
    const line = text.slice(0, lone.index).split("\n").length;
    throw new GuestError("invalid-argument", `TOML line ${line}: carriage return without line feed`);
  }
}

/**
 * The library looks keys up in objects that inherit from `Object.prototype`: `constructor.x = 1` would write to the global
 * `Object`. Every key passes here before it does.
 */
class GuardedTomlParser extends TomlParser {
  protected override recordAssignKeyword(key: string): unknown {
    refuseInheritedKey(key);
    return super.recordAssignKeyword(key);
  }

  protected override parseTableMore(key: string): unknown {
    refuseInheritedKey(key);
    return super.parseTableMore(key);
  }

  protected override parseListMore(key: string): unknown {
    refuseInheritedKey(key);
    return super.parseListMore(key);
  }
}

function refuseInheritedKey(key: string): void {
  if (key in Object.prototype) throw new TypeError(`key ${JSON.stringify(key)} is not allowed`);
}

function toTable(source: object, depth: number): TomlTable {
  if (depth < 0) throw new TypeError("nested too deep");
  const table: Record<string, TomlValue> = Object.create(null);
  for (const [key, value] of Object.entries(source)) table[key] = toValue(value, depth - 1);
  return Object.freeze(table);
}

function toValue(value: unknown, depth: number): TomlValue {
  if (typeof value === "string" || typeof value === "boolean" || value instanceof Date) return value;
  if (typeof value === "number") return value;
  if (Array.isArray(value)) {
    if (depth < 0) throw new TypeError("nested too deep");
    return Object.freeze(value.map((item) => toValue(item, depth - 1)));
  }
  if (typeof value === "object" && value !== null) return toTable(value, depth);
  // The library wraps integers past 64 bits around, so none of its large ones can be trusted.
  throw new TypeError("integer outside ±9007199254740991");
}
