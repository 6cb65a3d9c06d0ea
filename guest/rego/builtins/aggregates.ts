/** Built-ins that reduce a collection to one value. */
import { add, multiply } from "../number.ts";
import { compare, isNumber, RegoObject, RegoSet, type Value } from "../value.ts";
import { codePointLength } from "./code-points.ts";
import { any, builtin, chargeReading, members, operandError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

function count(context: BuiltinContext, value: Value): Value {
  if (typeof value === "string") {
    chargeReading(context, value.length);
    return codePointLength(value);
  }
  if (Array.isArray(value)) return value.length;
  if (value instanceof RegoObject || value instanceof RegoSet) return value.size;
  throw operandError("count", 1, "one of {array, object, set, string}", value);
}

function reduceNumbers(name: string, start: number, step: typeof add): Builtin {
  return builtin(name, [members], (context, items) => {
    context.charge(items.length);
    return items.reduce((total, item) => {
      if (!isNumber(total) || !isNumber(item)) throw operandError(name, 1, "one of {array, set} of numbers", item);
      return step(total, item);
    }, start);
  });
}

function extreme(name: string, sign: 1 | -1): Builtin {
  return builtin(name, [members], (context, items) => {
    context.charge(items.length);
    let best: Value | undefined;
    for (const item of items) {
      if (best === undefined || sign * compare(item, best) > 0) best = item;
    }
    return best;
  });
}

export const aggregateBuiltins: readonly Builtin[] = [
  builtin("count", [any], count),
  reduceNumbers("sum", 0, add),
  reduceNumbers("product", 1, multiply),
  extreme("max", 1),
  extreme("min", -1),
  builtin("sort", [members], (context, items) => {
    context.charge(items.length * Math.ceil(Math.log2(items.length + 1)));
    context.chargeOutput(items.length);
    return [...items].sort(compare);
  }),
  builtin("all", [members], (_context, items) => items.every((item) => item === true), { deprecated: true }),
  builtin("any", [members], (_context, items) => items.includes(true), { deprecated: true }),
];
