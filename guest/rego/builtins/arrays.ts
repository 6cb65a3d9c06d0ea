/** The array.* built-ins. */
import { isArray, type Value } from "../value.ts";
import { array, builtin, smallInteger } from "./operands.ts";
import type { Builtin } from "./types.ts";

export const arrayBuiltins: readonly Builtin[] = [
  builtin("array.concat", [array, array], (context, first, second) => {
    context.chargeOutput(first.length + second.length);
    return [...first, ...second];
  }),
  builtin("array.slice", [array, smallInteger, smallInteger], (context, items, start, stop) => {
    const from = Math.max(start, 0);
    const to = Math.min(stop, items.length);
    if (from >= to) return [];
    context.chargeOutput(to - from);
    return items.slice(from, to);
  }),
  builtin("array.reverse", [array], (context, items) => {
    context.chargeOutput(items.length);
    return items.toReversed();
  }),
  builtin("array.flatten", [array], (context, items) => {
    const flat: Value[] = [];
    for (const item of items) {
      context.chargeOutput(isArray(item) ? item.length : 1);
      // Not `push(...item)`: a spread of thousands of arguments can overflow the stack.
      if (isArray(item)) for (const member of item) flat.push(member);
      else flat.push(item);
    }
    return flat;
  }),
];
