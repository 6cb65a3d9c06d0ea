/** Collections of constants become constants when they are planned. */
import { RegoObject, RegoSet, type Value } from "../value.ts";
import type { Expression } from "./plan.ts";

/** An array, as a constant if its items are. */
export function constantArray(items: readonly Expression[]): Expression {
  const values = constants(items);
  return values === undefined ? { kind: "array", items } : { kind: "constant", value: values };
}

/** A set, as a constant if its items are. */
export function constantSet(items: readonly Expression[]): Expression {
  const values = constants(items);
  return values === undefined ? { kind: "set", items } : { kind: "constant", value: RegoSet.from(values) };
}

/** An object, as a constant if its members are. */
export function constantObject(members: readonly (readonly [Expression, Expression])[], start: number): Expression {
  const values = constants(members.flat());
  if (values === undefined) {
    return { kind: "object", members, start };
  }
  const object = new RegoObject();
  for (let index = 0; index < values.length; index += 2) {
    // Keys and values alternate.
    object.set(values[index] ?? null, values[index + 1] ?? null);
  }
  return { kind: "constant", value: object };
}

function constants(expressions: readonly Expression[]): Value[] | undefined {
  const values: Value[] = [];
  for (const expression of expressions) {
    if (expression.kind !== "constant") {
      return undefined;
    }
    values.push(expression.value);
  }
  return values;
}
