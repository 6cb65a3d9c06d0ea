/** Built-ins on sets. The operators `&`, `|` and `-` are the compiler's. */
import { RegoSet } from "../value.ts";
import { builtin, type Operand, set } from "./operands.ts";
import type { Builtin } from "./types.ts";

const setOfSets: Operand<readonly RegoSet[]> = {
  expected: "set of sets",
  read: (value) => {
    if (!(value instanceof RegoSet)) return undefined;
    const sets = value.values().filter((member) => member instanceof RegoSet);
    return sets.length === value.size ? sets : undefined;
  },
};

export const setBuiltins: readonly Builtin[] = [
  builtin("union", [setOfSets], (context, sets) => {
    const union = new RegoSet();
    for (const part of sets) {
      context.chargeOutput(part.size);
      for (const member of part) union.add(member);
    }
    return union;
  }),
  builtin("intersection", [setOfSets], (context, sets) => {
    const [first, ...others] = sets.toSorted((a, b) => a.size - b.size);
    if (first === undefined) return new RegoSet();
    context.charge(first.size * sets.length);
    context.chargeOutput(first.size);
    return RegoSet.from(first.values().filter((member) => others.every((other) => other.has(member))));
  }),
  builtin(
    "set_diff",
    [set, set],
    (context, minuend, subtrahend) => {
      context.chargeOutput(minuend.size);
      return RegoSet.from(minuend.values().filter((member) => !subtrahend.has(member)));
    },
    { deprecated: true },
  ),
];
