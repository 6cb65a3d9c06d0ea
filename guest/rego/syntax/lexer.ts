/** Text to tokens. */
import { NumberError, parseNumber, type RegoNumber } from "../number.ts";
import { Fault, type Source, type Span } from "./source.ts";

interface TokenPlace extends Span {
  /** A line break, or the start of the text, lies before the token. */
  readonly startsLine: boolean;
  /** White space, a comment or the start of the text lies before the token. */
  readonly spaced: boolean;
}

/** One token. Keywords are names: which names are keywords depends on the version and the imports. */
export type Token = TokenPlace &
  (
    | { readonly kind: "name"; readonly text: string }
    | { readonly kind: "symbol"; readonly text: string }
    | { readonly kind: "number"; readonly text: string; readonly value: RegoNumber }
    | { readonly kind: "string"; readonly text: string; readonly value: string }
    | { readonly kind: "template"; readonly text: string; readonly parts: readonly (string | readonly Token[])[] }
    | { readonly kind: "end"; readonly text: "" }
  );

const space = /[ \t\r\n]+|#[^\n]*/y;
const name = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const symbol = /:=|==|!=|<=|>=|[.,:;()[\]{}|&+\-*/%<>=]/y;
// Written as runs between escapes: an alternative for each character would fill the matcher's stack on long strings.
const quoted = /"[^"\\\u0000-\u001f\u007f]*(?:\\.[^"\\\u0000-\u001f\u007f]*)*"/y;
const raw = /`[^`]*`/y;
const templateText = {
  '"': /[^"\\{\u0000-\u001f]*(?:\\.[^"\\{\u0000-\u001f]*)*/y,
  "`": /[^`\\{]*(?:\\\{?[^`\\{]*)*/y,
};

type Place = Omit<TokenPlace, "end">;

/** Template strings inside expressions of template strings. */
const maxTemplateDepth = 16;

/** All tokens of a module, an "end" token last. Faults are added to the list; the text they are in is skipped. */
export function tokenize(source: Source, faults: Fault[]): Token[] {
  return new Lexer(source.text, faults).tokens(0);
}

class Lexer {
  readonly #text: string;
  readonly #faults: Fault[];
  #offset = 0;

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
    const insideTemplate = templateDepth > 0;
    for (let depth = 0; ; ) {
      const place = this.#skipSpace(tokens.length === 0);
      const character = this.#text[this.#offset];
      if (character === undefined || (insideTemplate && depth === 0 && character === "}")) {
        tokens.push({ ...place, kind: "end", text: "", end: this.#offset });
        return tokens;
      }
      depth += character === "{" ? 1 : character === "}" ? -1 : 0;
      const token = this.#token(character, place, templateDepth);
      if (token !== undefined) {
        tokens.push(token);
      }
    }
  }

  #skipSpace(isFirst: boolean): Place {
    let spaced = isFirst;
    let startsLine = isFirst;
    for (let gap = this.#match(space); gap !== ""; gap = this.#match(space)) {
      spaced = true;
      startsLine ||= gap.includes("\n");
    }
    return { start: this.#offset, spaced, startsLine };
  }

  #token(character: string, place: Place, templateDepth: number): Token | undefined {
    const { start, spaced, startsLine } = place;
    let text = this.#match(name);
    if (text !== "") {
      return { kind: "name", text, start, end: this.#offset, spaced, startsLine };
    }
    text = this.#match(symbol);
    if (text !== "") {
      return { kind: "symbol", text, start, end: this.#offset, spaced, startsLine };
    }
    if (character >= "0" && character <= "9") {
      return this.#number(place);
    }
    if (character === '"' || character === "`") {
      return this.#string(place);
    }
    if (character === "$") {
      return this.#template(place, templateDepth + 1);
    }
    this.#offset += (this.#text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
    this.#fault(`unexpected character ${JSON.stringify(this.#text.slice(start, this.#offset))}`, start);
    return undefined;
  }

  #number(place: Place): Token {
    const text = this.#match(number);
    const rest = this.#match(/[A-Za-z0-9_]+(?:\.[0-9]*)?|\.(?![A-Za-z_])/y);
    if (rest !== "") {
      this.#fault(`${text}${rest} is not a number`, place.start);
    }
    let value: RegoNumber | undefined;
    try {
      value = parseNumber(text);
    } catch (cause) {
      if (!(cause instanceof NumberError)) {
        throw cause;
      }
      this.#fault(cause.message, place.start);
    }
    return { ...place, kind: "number", text, value: value ?? 0, end: this.#offset };
  }

  #string(place: Place): Token {
    const isRaw = this.#text[place.start] === "`";
    const text = this.#match(isRaw ? raw : quoted);
    if (text === "") {
      this.#skipLine();
      this.#fault(isRaw ? "raw string has no end" : "string has no end on its line", place.start);
    }
    const value = isRaw ? text.slice(1, -1) : this.#unescape(text || '""', place.start);
    return { ...place, kind: "string", text, value, end: this.#offset };
  }

  #template(place: Place, depth: number): Token {
    const parts: (string | readonly Token[])[] = [];
    const quote = this.#text[place.start + 1];
    this.#offset += 1;
    if ((quote !== '"' && quote !== "`") || depth > maxTemplateDepth) {
      this.#fault(
        depth > maxTemplateDepth ? "template strings nest too deep" : 'unexpected character "$"',
        place.start,
      );
      return { ...place, kind: "template", text: "$", parts, end: this.#offset };
    }
    this.#offset += 1;
    for (;;) {
      const text = this.#match(templateText[quote]).replaceAll("\\{", "{");
      parts.push(quote === '"' ? this.#unescape(`"${text.replaceAll("\\`", "`")}"`, place.start) : text);
      const next = this.#text[this.#offset];
      this.#offset += 1;
      if (next === quote) {
        return { ...place, kind: "template", text: "$", parts, end: this.#offset };
      }
      const isExpression = next === "{";
      if (isExpression) {
        parts.push(this.tokens(depth));
      }
      if (!isExpression || this.#text[this.#offset] !== "}") {
        this.#skipLine();
        this.#fault("template string has no end", place.start);
        return { ...place, kind: "template", text: "$", parts, end: this.#offset };
      }
      this.#offset += 1;
    }
  }

  #unescape(text: string, start: number): string {
    if (!text.includes("\\")) {
      return text.slice(1, -1);
    }
    try {
      // A JSON string by its form, so JSON.parse gives a string.
      return JSON.parse(text) as string;
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
    if (!pattern.test(this.#text)) {
      return "";
    }
    const start = this.#offset;
    this.#offset = pattern.lastIndex;
    return this.#text.slice(start, this.#offset);
  }

  #fault(message: string, offset: number): void {
    this.#faults.push(new Fault("rego_parse_error", message, offset));
  }
}
