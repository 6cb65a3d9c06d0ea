/** What an explaining evaluation writes down. */
import type { Source } from "../syntax/source.ts";
import type { Value } from "../value.ts";

/** One run of a rule's body that gave nothing. */
export interface Attempt {
  /** The rule's path below `data`. */
  readonly rule: readonly string[];
  readonly source: Source;
  /** Place of the literal that failed. */
  readonly start: number;
  readonly end: number;
  /** Literals of the body that held before it, and literals of the body in all. */
  readonly passed: number;
  readonly total: number;
  readonly values: readonly TracedValue[];
  /** Failed bodies of the rules and functions that the literal called. */
  readonly children: readonly Attempt[];
}

/** A variable or reference of a literal; without a value it is undefined. */
export interface TracedValue {
  readonly name: string;
  readonly value: Value | undefined;
}

/** How far a body has come. */
export interface Progress {
  /** Number of the furthest literal that was reached. */
  furthest: number;
  values: readonly TracedValue[];
  /** Attempts below that literal. */
  children: Attempt[];
  held: boolean;
}

/** Collects failed attempts as a tree, up to a number of them. */
export class Trace {
  /** Takes the attempts of what is being evaluated. */
  current: Attempt[] = [];
  /** There were more attempts than the maximum. */
  truncated = false;
  readonly #maximum: number;
  #count = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** Runs a body and adds an attempt if it does not hold. */
  follow(run: (progress: Progress) => void, describe: (progress: Progress) => Attempt): void {
    const outer = this.current;
    const progress: Progress = { furthest: -1, values: [], children: [], held: false };
    this.current = progress.children;
    run(progress);
    this.current = outer;
    if (progress.held) {
      return;
    }
    if (this.#count >= this.#maximum) {
      this.truncated = true;
      return;
    }
    this.#count += 1;
    outer.push(describe(progress));
  }

  /** Notes that a body has reached a literal. `values` is asked when it has not been there before. */
  reach(progress: Progress, literal: number, values: () => readonly TracedValue[]): void {
    if (literal > progress.furthest) {
      progress.furthest = literal;
      progress.children = [];
      progress.values = values();
    }
    // What literals before the furthest one call is of no interest any more.
    this.current = literal === progress.furthest ? progress.children : [];
  }

  /** Runs a rule or function; when it succeeds, the attempts of its bodies are forgotten. */
  forgetIfSucceeded(run: () => Value | undefined): Value | undefined {
    const { current } = this;
    const before = current.length;
    const value = run();
    if (value !== undefined && value !== false) {
      current.length = Math.min(current.length, before);
    }
    return value;
  }
}
