/** Equations between terms. */
import type { ResolvedTerm } from "../analysis/resolved.ts";
import type { Span } from "../syntax/source.ts";
import type { Value } from "../value.ts";

/** Two terms that have to be equal. */
export type Equation = readonly [ResolvedTerm | TemporarySlot, ResolvedTerm];

/** A slot without a name that already has a value. */
export interface TemporarySlot extends Span {
  readonly kind: "slot";
  readonly slot: number;
}

/** The equations between the parts of two arrays of one length, or of two objects with the same constant keys. */
export function splitEquation(left: ResolvedTerm | TemporarySlot, right: ResolvedTerm): Equation[] | undefined {
  if (left.kind === "array" && right.kind === "array" && left.items.length === right.items.length) {
    return left.items.flatMap((item, index): Equation[] => {
      const other = right.items[index];
      return other === undefined ? [] : [[item, other]];
    });
  }
  if (left.kind !== "object" || right.kind !== "object" || left.members.length !== right.members.length) {
    return undefined;
  }
  const others = new Map<Value, ResolvedTerm>();
  for (const [key, value] of right.members) {
    if (key.kind !== "constant" || typeof key.value !== "string") {
      return undefined;
    }
    others.set(key.value, value);
  }
  const equations: Equation[] = [];
  for (const [key, value] of left.members) {
    const other = key.kind === "constant" ? others.get(key.value) : undefined;
    if (other === undefined) {
      return undefined;
    }
    equations.push([value, other]);
  }
  return equations;
}
