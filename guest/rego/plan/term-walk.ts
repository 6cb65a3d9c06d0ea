/** Which references and variables a literal contains. */
import type { ResolvedExpression, ResolvedLiteral, ResolvedTerm } from "../analysis/resolved.ts";

/** References and calls of relations outside closures, inner ones first: what may give values to variables. None in a negation. */
export function iteratingReferences(literal: ResolvedLiteral): ResolvedTerm[] {
  const found: ResolvedTerm[] = [];
  if (literal.expression.kind === "not") {
    return found;
  }
  for (const term of expressionTerms(literal.expression)) {
    visit(term, (inner) => {
      if (inner.kind === "reference" || inner.kind === "call") {
        found.push(inner);
      }
    });
  }
  return found;
}

/** Whether the term contains a reference or a call outside closures. */
export function hasReferences(term: ResolvedTerm): boolean {
  let found = false;
  visit(term, ({ kind }) => {
    found ||= kind === "reference" || kind === "call";
  });
  return found;
}

/** References into documents and variables, without those inside other references. */
export function outermostReferences(literal: ResolvedLiteral): ResolvedTerm[] {
  const found: ResolvedTerm[] = [];
  const inner = new Set<ResolvedTerm>();
  for (const term of expressionTerms(literal.expression)) {
    visit(term, (seen) => {
      if (seen.kind === "reference") {
        found.push(seen);
        for (const part of [seen.head, ...seen.path]) {
          inner.add(part);
        }
      }
    });
  }
  return found.filter((term) => !inner.has(term));
}

/** The named variables of a literal outside closures, once each. */
export function collectLocals(literal: ResolvedLiteral): { readonly name: string; readonly slot: number }[] {
  const found = new Map<number, { readonly name: string; readonly slot: number }>();
  for (const term of expressionTerms(literal.expression)) {
    visit(term, (inner) => {
      if (inner.kind === "local" && inner.local.name !== "_") {
        found.set(inner.local.slot, { name: inner.local.name, slot: inner.local.slot });
      }
    });
  }
  return [...found.values()];
}

function expressionTerms(expression: ResolvedExpression): readonly ResolvedTerm[] {
  switch (expression.kind) {
    case "test":
      return [expression.term];
    case "unify":
      return [expression.left, expression.right];
    case "not":
      return expressionTerms(expression.expression);
    case "some":
    case "every":
      return [expression.domain];
    default:
      return [];
  }
}

function visit(term: ResolvedTerm, see: (term: ResolvedTerm) => void): void {
  switch (term.kind) {
    case "reference":
      visit(term.head, see);
      for (const part of term.path) {
        visit(part, see);
      }
      break;
    case "array":
    case "set":
      for (const item of term.items) {
        visit(item, see);
      }
      break;
    case "object":
      for (const member of term.members) {
        visit(member[0], see);
        visit(member[1], see);
      }
      break;
    case "call":
      for (const operand of term.operands) {
        visit(operand, see);
      }
      break;
    default:
      break;
  }
  see(term);
}
