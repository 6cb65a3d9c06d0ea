/** Which names a body mentions and declares itself, closures inside it left out. */
import type { Expression, Literal, Term, VariableTerm } from "../syntax/tree.ts";

/**
 * Variables of the body's own literals, in order of first mention; `_` is left out, and so is a name for which
 * `isFunction` holds where `with … as` puts a function in place of another.
 */
export function mentionedVariables(body: readonly Literal[], isFunction: (value: Term) => boolean): VariableTerm[] {
  const found = new Map<string, VariableTerm>();
  for (const literal of body) {
    for (const term of expressionTerms(literal.expression)) {
      collectVariables(term, found);
    }
    for (const { value } of literal.replacements) {
      if (!isFunction(value)) {
        collectVariables(value, found);
      }
    }
  }
  return [...found.values()];
}

/** Variables that the terms mention outside closures. */
export function variablesOf(terms: readonly Term[]): VariableTerm[] {
  const found = new Map<string, VariableTerm>();
  for (const term of terms) {
    collectVariables(term, found);
  }
  return [...found.values()];
}

/** Names that `:=`, `some` and `some … in` of the body's own literals declare. */
export function declaredNames(body: readonly Literal[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { expression } of body) {
    if (expression.kind === "declare" || expression.kind === "assign" || expression.kind === "some") {
      for (const { name } of declaredVariables(expression)) {
        names.add(name);
      }
    }
  }
  return names;
}

type Declaration = Expression & { readonly kind: "declare" | "assign" | "some" };

function declaredVariables(expression: Declaration): readonly VariableTerm[] {
  switch (expression.kind) {
    case "declare":
      return expression.names;
    case "assign":
      return patternVariables(expression.target);
    case "some":
      return [
        ...(expression.key === undefined ? [] : patternVariables(expression.key)),
        ...patternVariables(expression.value),
      ];
  }
}

/** Variables in the places of a pattern where a value can be bound. */
export function patternVariables(pattern: Term): VariableTerm[] {
  switch (pattern.kind) {
    case "variable":
      return [pattern];
    case "array":
      return pattern.items.flatMap(patternVariables);
    case "object":
      return pattern.members.flatMap(([, value]) => patternVariables(value));
    default:
      return [];
  }
}

function expressionTerms(expression: Expression): readonly Term[] {
  switch (expression.kind) {
    case "term":
      return [expression.term];
    case "not":
      return expressionTerms(expression.expression);
    case "unify":
      return [expression.left, expression.right];
    case "assign":
      return [expression.target, expression.value];
    case "declare":
      return [];
    case "some":
      return [...(expression.key === undefined ? [] : [expression.key]), expression.value, expression.domain];
    case "every":
      return [expression.domain];
  }
}

function collectVariables(term: Term, found: Map<string, VariableTerm>): void {
  switch (term.kind) {
    case "variable":
      if (term.name !== "_" && !found.has(term.name)) {
        found.set(term.name, term);
      }
      return;
    case "reference":
      collectVariables(term.head, found);
      for (const part of term.path) {
        collectVariables(part, found);
      }
      return;
    case "array":
    case "set":
      for (const item of term.items) {
        collectVariables(item, found);
      }
      return;
    case "object":
      for (const member of term.members) {
        collectVariables(member[0], found);
        collectVariables(member[1], found);
      }
      return;
    case "call":
      for (const operand of term.operands) {
        collectVariables(operand, found);
      }
      return;
    default:
      return;
  }
}
