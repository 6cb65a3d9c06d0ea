/** The text of one module, and places in it. */
import type { Diagnostic, DiagnosticCode } from "../errors.ts";

/** Offsets into the text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Longest excerpt of a line in a diagnostic, in code points. */
const excerptWidth = 120;

/** One module's text with its name. */
export class Source {
  readonly name: string;
  readonly text: string;
  #lineStarts: readonly number[] | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  /** The line that the offset is in, counted from 1. */
  lineAt(offset: number): number {
    const starts = this.#starts();
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low + 1;
  }

  /** A fault at this offset, with the line of text and a caret. */
  diagnostic(code: DiagnosticCode, message: string, offset: number): Diagnostic {
    const line = this.lineAt(offset);
    const start = this.#starts()[line - 1] ?? 0;
    const end = this.#starts()[line] ?? this.text.length;
    const before = [...this.text.slice(start, offset)];
    const after = [...this.text.slice(offset, end).replace(/[\r\n]+$/, "")];
    const skipped = Math.max(0, before.length - excerptWidth / 2);
    const shownBefore = before.slice(skipped).join("");
    const shownAfter = after.slice(0, excerptWidth - (before.length - skipped)).join("");
    const margin = shownBefore.replace(/[^\t]/g, " ");
    return {
      code,
      message,
      file: this.name,
      line,
      column: before.length + 1,
      excerpt: `${shownBefore}${shownAfter}\n${margin}^`,
    };
  }

  #starts(): readonly number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0];
      for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) {
        starts.push(at + 1);
      }
      this.#lineStarts = starts;
    }
    return this.#lineStarts;
  }
}

/** A fault at a place of the module that is being read. Collected, and reported together as a RegoLoadError. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: DiagnosticCode;
  readonly offset: number;

  constructor(code: DiagnosticCode, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}
