/**
 * The tree after name resolution: every variable is a numbered local of its rule, a document (input, data) or a rule,
 * and every call knows its function.
 */
import type { Builtin } from "../builtins/types.ts";
import type { Source, Span } from "../syntax/source.ts";
import type { Value } from "../value.ts";
import type { RuleGroup } from "./rule-groups.ts";

/** A local variable of one rule. */
export interface Local extends Span {
  readonly name: string;
  /** Its place in the rule's frame. */
  readonly slot: number;
  /** How many closures (comprehensions, `every`, `not`) surround its scope. Only code this deep may bind it. */
  readonly depth: number;
}

export type ResolvedTerm =
  | (Span & { readonly kind: "constant"; readonly value: Value })
  | (Span & { readonly kind: "local"; readonly local: Local })
  | (Span & { readonly kind: "input" })
  | (Span & { readonly kind: "data" })
  | (Span & { readonly kind: "reference"; readonly head: ResolvedTerm; readonly path: readonly ResolvedTerm[] })
  | (Span & { readonly kind: "array"; readonly items: readonly ResolvedTerm[] })
  | (Span & { readonly kind: "set"; readonly items: readonly ResolvedTerm[] })
  | (Span & { readonly kind: "object"; readonly members: readonly (readonly [ResolvedTerm, ResolvedTerm])[] })
  | (Span & { readonly kind: "call"; readonly callee: Callee; readonly operands: readonly ResolvedTerm[] })
  | ResolvedComprehension
  | (Span & { readonly kind: "template"; readonly parts: readonly (string | ResolvedComprehension)[] });

export interface ResolvedComprehension extends Span {
  readonly kind: "comprehension";
  readonly shape: "array" | "set" | "object";
  readonly key?: ResolvedTerm;
  readonly value: ResolvedTerm;
  readonly body: readonly ResolvedLiteral[];
}

/** What a call calls. */
export type Callee =
  | { readonly kind: "builtin"; readonly builtin: Builtin }
  | { readonly kind: "function"; readonly group: RuleGroup };

export interface ResolvedLiteral extends Span {
  readonly expression: ResolvedExpression;
  readonly replacements: readonly ResolvedReplacement[];
}

/** `with`, resolved: a document or a function takes another value for one literal. */
export type ResolvedReplacement =
  | { readonly kind: "input"; readonly path: readonly string[]; readonly value: ResolvedTerm }
  | { readonly kind: "data"; readonly path: readonly string[]; readonly value: ResolvedTerm }
  | { readonly kind: "function"; readonly replaced: Callee; readonly value: ResolvedTerm | Callee };

export type ResolvedExpression =
  | { readonly kind: "test"; readonly term: ResolvedTerm }
  | { readonly kind: "not"; readonly expression: ResolvedExpression }
  | {
      readonly kind: "unify";
      readonly left: ResolvedTerm;
      readonly right: ResolvedTerm;
      /** The right side is a call that has the left side as its last operand: `f(1, x)` for `f(1) = x`. */
      readonly isOutput?: true;
    }
  | { readonly kind: "declare" }
  | {
      readonly kind: "some";
      readonly key?: ResolvedTerm;
      readonly value: ResolvedTerm;
      readonly domain: ResolvedTerm;
    }
  | {
      readonly kind: "every";
      readonly key?: ResolvedTerm;
      readonly value: ResolvedTerm;
      readonly domain: ResolvedTerm;
      readonly body: readonly ResolvedLiteral[];
    }
  /** Each operand is a set comprehension of one term: prints show all its values, and may be undefined. */
  | { readonly kind: "print"; readonly operands: readonly ResolvedComprehension[] };

/** One rule, resolved. */
export interface ResolvedRule extends Span {
  readonly source: Source;
  readonly isDefault: boolean;
  readonly parameters: readonly ResolvedTerm[];
  readonly branches: readonly ResolvedBranch[];
  /** How many locals the rule has. */
  readonly localCount: number;
}

/** A rule's body, and what the rule gives when it holds. */
export interface ResolvedBranch extends Span {
  /** The part of the head's path that is not constant, or lies below one that is not: keys of a partial object. */
  readonly keys: readonly ResolvedTerm[];
  /** The member of a partial set. */
  readonly member?: ResolvedTerm;
  readonly value: ResolvedTerm;
  readonly body: readonly ResolvedLiteral[];
}
