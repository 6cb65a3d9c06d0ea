/** Finds the members of an array that can pass a comparison, without trying all of them. */
import type { Get } from "../evaluate/frame.ts";
import { lookup } from "../evaluate/operators.ts";
import type { Expression, Step } from "../plan/plan.ts";
import { canonicalText, type Value } from "../value.ts";
import { readsAny } from "./determined.ts";
import type { Unit } from "./unit.ts";

/** A comparison `member.path == expected` right after an iteration, its right side known before it. */
export interface Discriminator {
  readonly path: readonly Value[];
  readonly getExpected: Get;
}

/** The discriminator of an iteration that the given step follows, if that is one. */
export function findDiscriminator(
  iteration: Step & { readonly kind: "iterate" },
  following: Step | undefined,
  unit: Unit,
): Discriminator | undefined {
  const { key, value } = iteration;
  if (value.kind !== "bind" || (key.kind !== "bind" && key.kind !== "any")) {
    return undefined;
  }
  const bound = new Set(key.kind === "bind" ? [key.slot, value.slot] : [value.slot]);
  for (const [member, expected] of comparedSides(following)) {
    const path = pathFrom(member, value.slot);
    if (path !== undefined && !readsAny(expected, bound)) {
      return { path, getExpected: unit.expression(expected) };
    }
  }
  return undefined;
}

/** Both ways to read an equation. */
function comparedSides(step: Step | undefined): (readonly [Expression, Expression])[] {
  if (step?.kind === "match" && step.pattern.kind === "equal") {
    const { expression, pattern } = step;
    return [
      [expression, pattern.expression],
      [pattern.expression, expression],
    ];
  }
  const call = step?.kind === "test" ? step.expression : undefined;
  if (call?.kind !== "call" || call.callee.kind !== "builtin" || call.callee.builtin.name !== "equal") {
    return [];
  }
  const [left, right] = call.operands;
  return left === undefined || right === undefined
    ? []
    : [
        [left, right],
        [right, left],
      ];
}

/** The constant keys that lead from the member in the slot to the expression. */
function pathFrom(expression: Expression, slot: number): readonly Value[] | undefined {
  if (expression.kind === "slot") {
    return expression.slot === slot ? [] : undefined;
  }
  if (expression.kind !== "lookup" || expression.base.kind !== "slot" || expression.base.slot !== slot) {
    return undefined;
  }
  const keys: Value[] = [];
  for (const key of expression.keys) {
    if (key.kind !== "constant") {
      return undefined;
    }
    keys.push(key.value);
  }
  return keys;
}

/** Positions of an array's members by the value at a path in them, made when an array is met for the second time. */
export class MemberIndex {
  /** Shorter arrays are faster to go through. */
  static readonly minLength = 8;
  readonly #path: readonly Value[];
  readonly #seen = new WeakSet<readonly Value[]>();
  readonly #positions = new WeakMap<readonly Value[], ReadonlyMap<Value, readonly number[]>>();

  constructor(path: readonly Value[]) {
    this.#path = path;
  }

  /** Positions, in order, of the members that may have the value; undefined when all have to be tried. */
  positions(array: readonly Value[], expected: Value): readonly number[] | undefined {
    let index = this.#positions.get(array);
    if (index === undefined) {
      if (!this.#seen.has(array)) {
        this.#seen.add(array);
        return undefined;
      }
      index = this.#build(array);
      this.#positions.set(array, index);
    }
    return index.get(indexKey(expected)) ?? [];
  }

  #build(array: readonly Value[]): ReadonlyMap<Value, readonly number[]> {
    const index = new Map<Value, number[]>();
    for (const [position, member] of array.entries()) {
      let value: Value | undefined = member;
      for (const key of this.#path) {
        value = value === undefined ? undefined : lookup(value, key);
      }
      if (value !== undefined) {
        const key = indexKey(value);
        const positions = index.get(key);
        if (positions === undefined) {
          index.set(key, [position]);
        } else {
          positions.push(position);
        }
      }
    }
    return index;
  }
}

/** A value that a Map compares as Rego does: composites by their canonical text, marked as no string of theirs. */
function indexKey(value: Value): Value {
  return typeof value === "object" && value !== null ? `\u0000${canonicalText(value)}` : value;
}
