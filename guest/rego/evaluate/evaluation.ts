/** One evaluation: its documents, its budget, what it has worked out so far. */
import type { Callee } from "../analysis/resolved.ts";
import type { RuleGroup } from "../analysis/rule-groups.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "../builtins/types.ts";
import { RegoEvaluationError, RegoLimitError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { type CompiledRegex, RegexLimitError, StepCounter } from "../regex/index.ts";
import type { Source } from "../syntax/source.ts";
import type { Value } from "../value.ts";
import type { RegexCache } from "./regex-cache.ts";
import type { Trace } from "./trace.ts";

/** What a rule gave: a value, or `undefined` for "not worked out yet", or this for "no value". */
export const noValue: unique symbol = Symbol("no value");

/** The documents as one part of the evaluation sees them. `with` makes another one. */
export interface World {
  readonly input: Value | undefined;
  /** Base data. */
  readonly data: Value;
  /** Paths of `data` that a `with` has replaced: rules at and below them don't count. */
  readonly replacedPaths: readonly (readonly string[])[];
  readonly mocks: ReadonlyMap<Builtin | RuleGroup, Mock> | undefined;
  /** Values of rules by the number of their group. */
  readonly memo: (Value | typeof noValue | undefined)[];
}

/** What stands in for a function. */
export type Mock =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "callee"; readonly callee: Callee };

/** The state of one evaluation. */
export class Evaluation implements BuiltinContext {
  world: World;
  readonly strict: boolean;
  readonly nowNs: bigint | undefined;
  readonly memo = new Map<string, Value>();
  readonly trace: Trace | undefined;
  readonly #limits: Limits;
  readonly #regexes: RegexCache;
  #stepsLeft: number;
  #outputLeft: number;
  readonly prints: string[] = [];
  readonly #results: (Map<string, Value> | undefined)[] = [];
  #printLength = 0;
  #depth = 0;

  constructor(
    world: World,
    limits: Limits,
    regexes: RegexCache,
    options: { readonly strict: boolean; readonly nowNs: bigint | undefined; readonly trace: Trace | undefined },
  ) {
    this.world = world;
    this.strict = options.strict;
    this.nowNs = options.nowNs;
    this.trace = options.trace;
    this.#limits = limits;
    this.#regexes = regexes;
    this.#stepsLeft = limits.maxSteps;
    this.#outputLeft = limits.maxOutput;
  }

  charge(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0) {
      throw new RegoLimitError("maxSteps", this.#limits.maxSteps);
    }
  }

  chargeOutput(units: number): void {
    this.#outputLeft -= units;
    if (this.#outputLeft < 0) {
      throw new RegoLimitError("maxOutput", this.#limits.maxOutput);
    }
  }

  regex(pattern: string): CompiledRegex {
    const steps = new StepCounter();
    try {
      return this.#regexes.compile(pattern, steps);
    } finally {
      this.charge(steps.spent);
    }
  }

  /** Results that a place in the code has kept, by its varying operand. */
  resultsAt(site: number): Map<string, Value> {
    const existing = this.#results[site];
    if (existing !== undefined) {
      return existing;
    }
    const results = new Map<string, Value>();
    this.#results[site] = results;
    return results;
  }

  /** Whether another line of `print` would be kept, or a part of it. */
  get hasRoomForPrints(): boolean {
    return this.#printLength < this.#limits.maxPrintLength;
  }

  /** Keeps a line of `print`, up to the limit of all lines together; what lies beyond is cut. */
  print(line: string): void {
    const room = this.#limits.maxPrintLength - this.#printLength;
    if (room > 0) {
      this.prints.push(line.slice(0, room));
      this.#printLength += line.length;
    }
  }

  /** Goes one rule or function deeper; `leave` goes back. */
  enter(): void {
    this.#depth += 1;
    this.charge(1);
    if (this.#depth > this.#limits.maxCallDepth) {
      throw new RegoLimitError("maxCallDepth", this.#limits.maxCallDepth);
    }
  }

  leave(): void {
    this.#depth -= 1;
  }

  /** What to do with an exception of a built-in: undefined as its result, or an error to the caller. */
  builtinFailed(cause: unknown, source: Source, offset: number): undefined {
    if (cause instanceof RegexLimitError) {
      throw new RegoLimitError("regular expression");
    }
    if (!(cause instanceof BuiltinError)) {
      throw cause;
    }
    if (this.strict) {
      throw new RegoEvaluationError(cause.code, cause.message, source.name, source.lineAt(offset), { cause });
    }
    return undefined;
  }
}
