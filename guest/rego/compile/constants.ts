/** Expressions whose value depends on the policy's text only. */
import type { Get } from "../evaluate/frame.ts";
import type { Expression } from "../plan/plan.ts";
import type { Value } from "../value.ts";
import type { ProgramCode } from "./unit.ts";

/** Whether the expression's value is the same in every evaluation. */
export function isConstant(expression: Expression, program: ProgramCode): boolean {
  switch (expression.kind) {
    case "constant":
      return true;
    case "rule":
      return program.isConstant(expression.group);
    case "lookup":
      return [expression.base, ...expression.keys].every((part) => isConstant(part, program));
    case "array":
    case "set":
      return expression.items.every((item) => isConstant(item, program));
    case "object":
      return expression.members.every(([key, value]) => isConstant(key, program) && isConstant(value, program));
    case "call":
      return isPure(expression, program) && expression.operands.every((operand) => isConstant(operand, program));
    default:
      return false;
  }
}

/** Whether equal operands always give an equal result, within one evaluation and from one to the next. */
export function isPure({ callee }: Expression & { readonly kind: "call" }, program: ProgramCode): boolean {
  if (callee.kind === "function") {
    return program.isConstant(callee.group);
  }
  return callee.builtin.nondeterministic !== true && !program.isReplaced(callee.builtin);
}

/** Keeps the first value. Without one, as after a built-in error, the code runs again: in strict mode that is an error. */
export function keepValue(get: Get): Get {
  let kept: Value | undefined;
  return (frame) => {
    kept ??= get(frame);
    return kept;
  };
}
