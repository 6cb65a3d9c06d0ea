/** Code for lists of expressions that all have to have a value. */
import type { Frame } from "../evaluate/frame.ts";
import type { Expression } from "../plan/plan.ts";
import type { Value } from "../value.ts";
import type { Unit } from "./unit.ts";

/** Code that gives the values of all expressions, or undefined when one of them has none. */
export function compileOperands(expressions: readonly Expression[], unit: Unit): (frame: Frame) => Value[] | undefined {
  const getters = expressions.map((expression) => unit.expression(expression));
  const [first] = getters;
  if (first !== undefined && getters.length === 1) {
    return (frame) => {
      const value = first(frame);
      return value === undefined ? undefined : [value];
    };
  }
  return (frame) => {
    const values: Value[] = [];
    for (const get of getters) {
      const value = get(frame);
      if (value === undefined) {
        return undefined;
      }
      values.push(value);
    }
    return values;
  };
}
