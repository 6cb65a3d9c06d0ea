/** Text to tokens. Reads by character codes: loading a policy is mostly this, in code that has not been optimised yet. */
import { NumberError, parseNumber, type RegoNumber } from "../number.ts";
import type { Value } from "../value.ts";
import { readJsonConstant } from "./json-constant.ts";
import { Fault, type Source, type Span } from "./source.ts";

interface TokenPlace extends Span {
  /** A line break, or the start of the text, lies before the token. */
  readonly startsLine: boolean;
  /** White space, a comment or the start of the text lies before the token. */
  readonly spaced: boolean;
  readonly text: string;
}

/** One token. Keywords are names: which names are keywords depends on the version and the imports. */
export type Token = TokenPlace &
  (
    | { readonly kind: "name" | "symbol" | "end"; readonly value: undefined }
    | { readonly kind: "number"; readonly value: RegoNumber }
    | { readonly kind: "string"; readonly value: string }
    /** A whole object or array that was written as JSON. */
    | { readonly kind: "constant"; readonly value: Value }
    /** Texts and expressions of a template string, in turn. */
    | { readonly kind: "template"; readonly value: readonly (string | readonly Token[])[] }
  );

/** All tokens of a module, an "end" token last. Faults are added to the list; the text they are in is skipped. */
export function tokenize(source: Source, faults: Fault[]): Token[] {
  return new Lexer(source.text, faults).tokens(0);
}

/** Template strings inside expressions of template strings. */
const maxTemplateDepth = 16;

const singleSymbols: ReadonlyMap<number, string> = new Map(
  [...".,:;()[]{}|&+-*/%<>="].map((symbol) => [symbol.charCodeAt(0), symbol]),
);
const doubleSymbols: ReadonlyMap<number, string> = new Map(
  [":=", "==", "!=", "<=", ">="].map((symbol) => [symbol.charCodeAt(0), symbol]),
);
const name = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const numberRest = /[A-Za-z0-9_]+(?:\.[0-9]*)?|\.(?![A-Za-z_])/y;
// Written as runs between escapes: an alternative for each character would fill the matcher's stack on long strings.
const quotedTemplateText = /[^"\\{\u0000-\u001f]*(?:\\.[^"\\{\u0000-\u001f]*)*/y;
const rawTemplateText = /[^`\\{]*(?:\\\{?[^`\\{]*)*/y;

class Lexer {
  readonly #text: string;
  readonly #faults: Fault[];
  #offset = 0;
  #spaced = true;
  #startsLine = true;

  constructor(text: string, faults: Fault[]) {
    this.#text = text;
    this.#faults = faults;
    if (text.startsWith("\ufeff")) {
      this.#offset = 1;
    }
  }

  /** Tokens to the end of the text, or to the brace that closes an expression of a template (left in place). */
  tokens(templateDepth: number): Token[] {
    const tokens: Token[] = [];
    for (let depth = 0; ; ) {
      this.#skipSpace(tokens.length === 0);
      const code = this.#text.charCodeAt(this.#offset);
      if (Number.isNaN(code) || (templateDepth > 0 && depth === 0 && code === 0x7d)) {
        tokens.push(this.#plain("end", "", this.#offset));
        return tokens;
      }
      const isValueOfRule = templateDepth === 0 && depth === 0 && (code === 0x7b || code === 0x5b);
      const constant = isValueOfRule && isAssignment(tokens.at(-1)) ? this.#constant() : undefined;
      if (constant !== undefined) {
        tokens.push(constant);
        continue;
      }
      depth += code === 0x7b ? 1 : code === 0x7d ? -1 : 0;
      const token = this.#token(code, templateDepth);
      if (token !== undefined) {
        tokens.push(token);
      }
    }
  }

  #constant(): Token | undefined {
    const start = this.#offset;
    const read = readJsonConstant(this.#text, start);
    if (read === undefined) {
      return undefined;
    }
    const { value, end } = read;
    this.#offset = end;
    return { kind: "constant", value, text: "", start, end, startsLine: this.#startsLine, spaced: this.#spaced };
  }

  #skipSpace(isFirst: boolean): void {
    const text = this.#text;
    let offset = this.#offset;
    let startsLine = isFirst;
    for (;;) {
      const code = text.charCodeAt(offset);
      if (code === 0x20 || code === 0x09 || code === 0x0d) {
        offset += 1;
      } else if (code === 0x0a) {
        startsLine = true;
        offset += 1;
      } else if (code === 0x23) {
        const end = text.indexOf("\n", offset);
        offset = end < 0 ? text.length : end;
      } else {
        break;
      }
    }
    this.#spaced = isFirst || offset > this.#offset;
    this.#startsLine = startsLine;
    this.#offset = offset;
  }

  #token(code: number, templateDepth: number): Token | undefined {
    const start = this.#offset;
    if (startsName(code)) {
      return this.#name(start);
    }
    if (code === 0x22) {
      return this.#quoted(start);
    }
    if (isDigit(code)) {
      return this.#number(start);
    }
    const symbol = this.#symbol(code);
    if (symbol !== undefined) {
      this.#offset += symbol.length;
      return this.#plain("symbol", symbol, start);
    }
    if (code === 0x60) {
      return this.#raw(start);
    }
    if (code === 0x24) {
      return this.#template(start, templateDepth + 1);
    }
    this.#offset += (this.#text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
    this.#fault(`unexpected character ${JSON.stringify(this.#text.slice(start, this.#offset))}`, start);
    return undefined;
  }

  #plain(kind: "name" | "symbol" | "end", text: string, start: number): Token {
    const spaced = this.#spaced;
    const startsLine = this.#startsLine;
    return { kind, value: undefined, text, start, end: this.#offset, startsLine, spaced };
  }

  #name(start: number): Token {
    return this.#plain("name", this.#match(name), start);
  }

  #symbol(code: number): string | undefined {
    const next = this.#text.charCodeAt(this.#offset + 1);
    return (next === 0x3d ? doubleSymbols.get(code) : undefined) ?? singleSymbols.get(code);
  }

  #number(start: number): Token {
    const text = this.#match(number);
    const rest = this.#match(numberRest);
    if (rest !== "") {
      this.#fault(`${text}${rest} is not a number`, start);
    }
    let value: RegoNumber | undefined;
    try {
      value = parseNumber(text);
    } catch (cause) {
      if (!(cause instanceof NumberError)) {
        throw cause;
      }
      this.#fault(cause.message, start);
    }
    const spaced = this.#spaced;
    const startsLine = this.#startsLine;
    return { kind: "number", value: value ?? 0, text, start, end: this.#offset, startsLine, spaced };
  }

  #quoted(start: number): Token {
    const text = this.#text;
    let end = text.indexOf('"', start + 1);
    while (end > 0 && isEscaped(text, end, start)) {
      end = text.indexOf('"', end + 1);
    }
    const inner = end < 0 ? "" : text.slice(start + 1, end);
    if (end < 0 || hasControl(inner)) {
      this.#skipLine();
      this.#fault("string has no end on its line", start);
      return this.#stringToken("", start);
    }
    this.#offset = end + 1;
    return this.#stringToken(inner.includes("\\") ? this.#unescape(text.slice(start, end + 1), start) : inner, start);
  }

  #raw(start: number): Token {
    const end = this.#text.indexOf("`", start + 1);
    if (end < 0) {
      this.#offset = this.#text.length;
      this.#fault("raw string has no end", start);
      return this.#stringToken("", start);
    }
    this.#offset = end + 1;
    return this.#stringToken(this.#text.slice(start + 1, end), start);
  }

  #stringToken(value: string, start: number): Token {
    const spaced = this.#spaced;
    const startsLine = this.#startsLine;
    return { kind: "string", value, text: '"', start, end: this.#offset, startsLine, spaced };
  }

  #template(start: number, depth: number): Token | undefined {
    const spaced = this.#spaced;
    const startsLine = this.#startsLine;
    const quote = this.#text[start + 1];
    this.#offset += 1;
    if ((quote !== '"' && quote !== "`") || depth > maxTemplateDepth) {
      this.#fault(depth > maxTemplateDepth ? "template strings nest too deep" : 'unexpected character "$"', start);
      return undefined;
    }
    this.#offset += 1;
    const value = this.#templateParts(quote, start, depth);
    return { kind: "template", value, text: "$", start, end: this.#offset, startsLine, spaced };
  }

  #templateParts(quote: string, start: number, depth: number): (string | readonly Token[])[] {
    const parts: (string | readonly Token[])[] = [];
    for (;;) {
      const text = this.#match(quote === '"' ? quotedTemplateText : rawTemplateText).replaceAll("\\{", "{");
      parts.push(quote === '"' ? this.#unescape(`"${text}"`, start) : text);
      const next = this.#text[this.#offset];
      this.#offset += 1;
      if (next === quote) {
        return parts;
      }
      if (next === "{") {
        parts.push(this.tokens(depth));
      }
      if (next !== "{" || this.#text[this.#offset] !== "}") {
        this.#skipLine();
        this.#fault("template string has no end", start);
        return parts;
      }
      this.#offset += 1;
    }
  }

  #unescape(text: string, start: number): string {
    if (!text.includes("\\")) {
      return text.slice(1, -1);
    }
    try {
      // A JSON string by its form, so JSON.parse gives a string. Half a surrogate pair is no character.
      return (JSON.parse(text) as string).toWellFormed();
    } catch {
      // What exactly JSON.parse found says less than this.
      this.#fault("string has an unknown escape; use a raw string in back quotes to keep backslashes", start);
      return "";
    }
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#offset);
    this.#offset = end < 0 ? this.#text.length : end;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const start = this.#offset;
    if (pattern.test(this.#text)) {
      this.#offset = pattern.lastIndex;
    }
    return this.#text.slice(start, this.#offset);
  }

  #fault(message: string, offset: number): void {
    this.#faults.push(new Fault("rego_parse_error", message, offset));
  }
}

function isAssignment(token: Token | undefined): boolean {
  return token?.kind === "symbol" && (token.text === ":=" || token.text === "=");
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Letters of ASCII and the underscore. */
function startsName(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}

/** Whether an odd number of backslashes stands before the quote. */
function isEscaped(text: string, quote: number, start: number): boolean {
  let backslashes = 0;
  while (quote - backslashes - 1 > start && text.charCodeAt(quote - backslashes - 1) === 0x5c) {
    backslashes += 1;
  }
  return backslashes % 2 === 1;
}

const control = /[\u0000-\u001f\u007f]/;

function hasControl(text: string): boolean {
  return control.test(text);
}
