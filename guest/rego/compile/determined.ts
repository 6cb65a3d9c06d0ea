/** Whether a rule's body can give more than one value. */
import type { Body, Expression, Pattern, PlannedBranch, Step } from "../plan/plan.ts";

/**
 * True when every solution of the body gives the same value: the value reads no variable that is bound at or after
 * the first step that may have several solutions. Then the first solution is as good as all of them.
 */
export function isDetermined({ body, keys, member, value }: PlannedBranch): boolean {
  const varying = new Set<number>();
  noteVarying(
    body.flatMap((literal) => literal.steps),
    varying,
    false,
  );
  const head = [...keys, value, ...(member === undefined ? [] : [member])];
  return !head.some((expression) => readsAny(expression, varying));
}

/** Adds the slots that steps bind once a step has had several solutions; returns whether one has. */
function noteVarying(steps: readonly Step[], varying: Set<number>, started: boolean): boolean {
  let isVarying = started;
  for (const step of steps) {
    switch (step.kind) {
      case "iterate":
        isVarying = true;
        notePattern(step.key, varying);
        notePattern(step.value, varying);
        break;
      case "names":
      case "enumerate":
        isVarying = true;
        varying.add(step.slot);
        break;
      case "match":
        if (isVarying) {
          notePattern(step.pattern, varying);
        }
        break;
      case "with":
        isVarying = noteVarying(step.steps, varying, isVarying);
        break;
      default:
        break;
    }
  }
  return isVarying;
}

function notePattern(pattern: Pattern, slots: Set<number>): void {
  switch (pattern.kind) {
    case "bind":
      slots.add(pattern.slot);
      break;
    case "array":
      for (const item of pattern.items) {
        notePattern(item, slots);
      }
      break;
    case "object":
      for (const [, member] of pattern.members) {
        notePattern(member, slots);
      }
      break;
    default:
      break;
  }
}

/** Whether the expression reads one of the slots. */
export function readsAny(expression: Expression, slots: ReadonlySet<number>): boolean {
  if (slots.size === 0) {
    return false;
  }
  switch (expression.kind) {
    case "slot":
      return slots.has(expression.slot);
    case "lookup":
      return readsAny(expression.base, slots) || expression.keys.some((key) => readsAny(key, slots));
    case "array":
    case "set":
      return expression.items.some((item) => readsAny(item, slots));
    case "object":
      return expression.members.some(([key, value]) => readsAny(key, slots) || readsAny(value, slots));
    case "call":
      return expression.operands.some((operand) => readsAny(operand, slots));
    case "comprehension":
      return (
        readsAny(expression.value, slots) ||
        (expression.key !== undefined && readsAny(expression.key, slots)) ||
        bodyReadsAny(expression.body, slots)
      );
    case "template":
      return expression.parts.some((part) => typeof part !== "string" && readsAny(part, slots));
    default:
      return false;
  }
}

/** Whether a step of the body reads one of the slots. */
export function bodyReadsAny(body: Body, slots: ReadonlySet<number>): boolean {
  return body.some((literal) => literal.steps.some((step) => stepReadsAny(step, slots)));
}

function stepReadsAny(step: Step, slots: ReadonlySet<number>): boolean {
  switch (step.kind) {
    case "test":
      return readsAny(step.expression, slots);
    case "match":
      return readsAny(step.expression, slots) || patternReadsAny(step.pattern, slots);
    case "iterate":
      return [step.key, step.value].some((part) => patternReadsAny(part, slots)) || readsAny(step.base, slots);
    case "names":
      return step.keys.some((key) => readsAny(key, slots));
    case "enumerate":
      return step.operands.some((operand) => readsAny(operand, slots));
    case "not":
      return bodyReadsAny(step.body, slots);
    case "every":
      return readsAny(step.domain, slots) || bodyReadsAny(step.body, slots);
    case "with":
      return (
        step.steps.some((inner) => stepReadsAny(inner, slots)) ||
        step.replacements.some(({ value }) => "kind" in value && isExpression(value) && readsAny(value, slots))
      );
    case "print":
      return step.operands.some((operand) => readsAny(operand, slots));
  }
}

function isExpression(value: { readonly kind: string }): value is Expression {
  return value.kind !== "builtin" && value.kind !== "function";
}

function patternReadsAny(pattern: Pattern, slots: ReadonlySet<number>): boolean {
  switch (pattern.kind) {
    case "equal":
      return readsAny(pattern.expression, slots);
    case "array":
      return pattern.items.some((item) => patternReadsAny(item, slots));
    case "object":
      return pattern.members.some(([key, value]) => readsAny(key, slots) || patternReadsAny(value, slots));
    default:
      return false;
  }
}
