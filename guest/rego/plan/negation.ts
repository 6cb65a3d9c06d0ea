/** Which parts of a negated expression have to be defined, as OPA's compiler has it. */
import type { ResolvedExpression, ResolvedTerm } from "../analysis/resolved.ts";

/**
 * What is evaluated before a negated expression, outermost terms only: where one of them is undefined, so is the literal. These are
 * calls below others and in equations, references that calls are given, and what the keys of references and the members of
 * collections are made of. `not input.a == 1` holds without `input.a`; `not startswith(input.a, "x")` does not.
 */
export function termsBeforeNegation(expression: ResolvedExpression): readonly ResolvedTerm[] {
  if (expression.kind === "unify") {
    const { left, right, isOutput } = expression;
    if (isOutput === undefined) return [left, right].flatMap(partsOfSide);
    return [...(right.kind === "call" ? right.operands : []), left].flatMap(wholeOrParts);
  }
  if (expression.kind !== "test") return [];
  const { term } = expression;
  if (term.kind !== "call") return partsOf(term);
  const { callee, operands } = term;
  const isEquality = callee.kind === "builtin" && callee.builtin.name === "equal";
  return operands.flatMap(isEquality ? partsOfSide : wholeOrParts);
}

/** A side of an equation: a reference may be undefined there, a call may not. */
function partsOfSide(term: ResolvedTerm): readonly ResolvedTerm[] {
  return term.kind === "call" ? [term] : partsOf(term);
}

function wholeOrParts(term: ResolvedTerm): readonly ResolvedTerm[] {
  return term.kind === "call" || term.kind === "reference" ? [term] : partsOf(term);
}

function partsOf(term: ResolvedTerm): readonly ResolvedTerm[] {
  switch (term.kind) {
    case "reference":
      return [term.head, ...term.path].flatMap(wholeOrParts);
    case "array":
    case "set":
      return term.items.flatMap(wholeOrParts);
    case "object":
      return term.members.flat().flatMap(wholeOrParts);
    default:
      return [];
  }
}
