/** A place in the list of tokens, with what every parsing function needs. */
import type { Limits } from "../limits.ts";
import type { Token } from "./lexer.ts";
import { Fault, type Source } from "./source.ts";

const baseKeywords = ["as", "default", "else", "false", "import", "package", "not", "null", "true", "with", "some"];
const futureKeywords = ["in", "every", "if", "contains"];

/** How often a module may be read again from where an array turned out not to be a comprehension. */
const maxRetries = 1000;

/** Reads tokens one after the other. */
export class TokenCursor {
  readonly source: Source;
  /** Names that are keywords here: grows with the imports of a v0 module. */
  readonly keywords: Set<string>;
  #tokens: readonly Token[];
  #index = 0;
  #previousEnd = 0;
  #nesting = 0;
  #retries = 0;
  readonly #maxNesting: number;
  readonly #maxChain: number;

  constructor(source: Source, tokens: readonly Token[], version: "v0" | "v1", limits: Limits) {
    this.source = source;
    this.#tokens = tokens;
    this.#maxNesting = limits.maxNesting;
    this.#maxChain = limits.maxChain;
    this.keywords = new Set(version === "v1" ? [...baseKeywords, ...futureKeywords] : baseKeywords);
  }

  /** Makes `import future.keywords` (no name) or `import future.keywords.<name>` take effect. False for an unknown one. */
  addFutureKeyword(name: string | undefined): boolean {
    const names = futureKeywords.filter((keyword) => name === undefined || keyword === name);
    for (const keyword of name === "every" ? ["every", "in"] : names) {
      this.keywords.add(keyword);
    }
    return names.length > 0;
  }

  /** The token that comes next. */
  get next(): Token {
    const token = this.#tokens[this.#index] ?? this.#tokens.at(-1);
    if (token === undefined) {
      throw new RangeError("a list of tokens ends with an end token");
    }
    return token;
  }

  /** No token is left. */
  isAtEnd(): boolean {
    return this.next.kind === "end";
  }

  /** The token after the next one. */
  get afterNext(): Token | undefined {
    return this.#tokens[this.#index + 1];
  }

  /** Offset after the token that was taken last. */
  get previousEnd(): number {
    return this.#previousEnd;
  }

  /** Takes the next token whatever it is. */
  take(): Token {
    const token = this.next;
    if (token.kind !== "end") {
      this.#index += 1;
    }
    this.#previousEnd = token.end;
    return token;
  }

  isSymbol(text: string): boolean {
    const token = this.next;
    return token.kind === "symbol" && token.text === text;
  }

  /** The next token is this symbol and nothing, not even a space, lies before it. */
  isAdjacent(text: string): boolean {
    return this.isSymbol(text) && !this.next.spaced;
  }

  isKeyword(text: string): boolean {
    const token = this.next;
    return token.kind === "name" && token.text === text && this.isKeywordNext();
  }

  /** The next token is any keyword. Followed by a dot it is a name: `if.foo` is a reference. */
  isKeywordNext(): boolean {
    const after = this.#tokens[this.#index + 1];
    const isReference = after?.kind === "symbol" && after.text === "." && !after.spaced;
    return this.next.kind === "name" && this.keywords.has(this.next.text) && !isReference;
  }

  /** Takes the symbol if it is next. */
  takeSymbol(text: string): boolean {
    const found = this.isSymbol(text);
    if (found) {
      this.take();
    }
    return found;
  }

  /** Takes the keyword if it is next. */
  takeKeyword(text: string): boolean {
    const found = this.isKeyword(text);
    if (found) {
      this.take();
    }
    return found;
  }

  expectSymbol(text: string, purpose: string): void {
    if (!this.takeSymbol(text)) {
      throw this.unexpected(`"${text}" ${purpose}`);
    }
  }

  /** Takes a name that is no keyword. */
  expectName(purpose: string): string {
    const token = this.next;
    if (token.kind !== "name" || this.isKeywordNext()) {
      throw this.unexpected(purpose);
    }
    this.take();
    return token.text;
  }

  /** A fault at the next token. */
  unexpected(expected: string): Fault {
    const token = this.next;
    const isKeyword = token.kind === "name" && this.keywords.has(token.text);
    const found =
      token.kind === "end"
        ? "the end of the text"
        : `${isKeyword ? "the keyword " : ""}${shown(this.source.text.slice(token.start, token.end))}`;
    return this.fault(`expected ${expected}, found ${found}`, token.start);
  }

  fault(message: string, offset: number): Fault {
    return new Fault("rego_parse_error", message, offset);
  }

  /** Faults when a reference or a chain of operators has more parts than the limit. */
  checkChain(length: number): void {
    if (length > this.#maxChain) {
      throw this.fault(`more than ${this.#maxChain} parts in one expression`, this.next.start);
    }
  }

  /** Runs a parsing function one level deeper; faults when the text nests deeper than the limit. */
  nested<T>(parse: () => T): T {
    this.#nesting += 1;
    if (this.#nesting > this.#maxNesting) {
      throw this.fault(`nested more than ${this.#maxNesting} levels`, this.next.start);
    }
    const result = parse();
    this.#nesting -= 1;
    return result;
  }

  /**
   * Parses; if that faults at one of these symbols, returns undefined with the cursor where it was. Only so many such retries a
   * module: nested ones would double the time at each level.
   */
  attempt<T>(symbols: string, parse: () => T): T | undefined {
    const saved = { index: this.#index, previousEnd: this.#previousEnd, nesting: this.#nesting };
    try {
      return parse();
    } catch (fault) {
      this.#retries += 1;
      if (
        !(fault instanceof Fault) ||
        this.#retries > maxRetries ||
        !symbols.includes(this.source.text[fault.offset] ?? " ")
      ) {
        throw fault;
      }
      this.#index = saved.index;
      this.#previousEnd = saved.previousEnd;
      this.#nesting = saved.nesting;
      return undefined;
    }
  }

  /** Parses another list of tokens, those of an expression in a template string, and returns here. */
  within<T>(tokens: readonly Token[], parse: () => T): T {
    const saved = { tokens: this.#tokens, index: this.#index, previousEnd: this.#previousEnd };
    this.#tokens = tokens;
    this.#index = 0;
    const result = this.nested(parse);
    this.#tokens = saved.tokens;
    this.#index = saved.index;
    this.#previousEnd = saved.previousEnd;
    return result;
  }

  /** After a fault: goes to the next name, `default` or `import` that stands at the start of a line. */
  recover(): void {
    this.#nesting = 0;
    const started = this.#index;
    while (!this.isAtEnd()) {
      const { start, kind } = this.next;
      if (kind === "name" && this.#index > started && this.source.text[start - 1] === "\n") {
        return;
      }
      this.take();
    }
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
