/** What an explaining evaluation writes down. */
import type { Source } from "../syntax/source.ts";
import type { Value } from "../value.ts";

/** One run of a rule's body that gave nothing. */
export interface Attempt {
  readonly rule: string;
  readonly source: Source;
  /** Place of the literal that failed. */
  readonly start: number;
  readonly end: number;
  readonly passed: number;
  readonly total: number;
  readonly values: readonly { readonly name: string; readonly value: Value | undefined }[];
  /** How deep in the calls the rule was evaluated: 0 is the rule that was asked for. */
  readonly depth: number;
}

/** Collects failed attempts, the ones that came furthest; forgets the others when there are too many. */
export class Trace {
  readonly #attempts: Attempt[] = [];
  readonly #maximum: number;
  truncated = false;
  depth = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  add(attempt: Attempt): void {
    if (this.#attempts.length < this.#maximum) {
      this.#attempts.push(attempt);
    } else {
      this.truncated = true;
    }
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }
}
