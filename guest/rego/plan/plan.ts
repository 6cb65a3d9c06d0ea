/**
 * The plan of a rule: ordered steps in which it is known, at each place, which variables have a value. Nothing is left
 * to unify at run time: an equation has become a comparison, a binding or a pattern to take a value apart with.
 */
import type { Callee } from "../analysis/resolved.ts";
import type { DocumentNode, RuleGroup } from "../analysis/rule-groups.ts";
import type { Builtin } from "../builtins/types.ts";
import type { Source, Span } from "../syntax/source.ts";
import type { Value } from "../value.ts";

/** Something with at most one value once the slots it reads are filled. */
export type Expression =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "slot"; readonly slot: number }
  | { readonly kind: "input" }
  /** The value of a rule that is not a function. */
  | { readonly kind: "rule"; readonly group: RuleGroup }
  /** Packages and base data below a constant path of `data`. `node` is absent where no rule lies at or below the path. */
  | { readonly kind: "document"; readonly path: readonly string[]; readonly node: DocumentNode | undefined }
  | { readonly kind: "lookup"; readonly base: Expression; readonly keys: readonly Expression[] }
  | { readonly kind: "array"; readonly items: readonly Expression[] }
  | { readonly kind: "set"; readonly items: readonly Expression[] }
  | {
      readonly kind: "object";
      readonly members: readonly (readonly [Expression, Expression])[];
      readonly start: number;
    }
  | { readonly kind: "call"; readonly callee: Callee; readonly operands: readonly Expression[]; readonly start: number }
  | ComprehensionExpression
  | {
      readonly kind: "template";
      readonly parts: readonly (string | ComprehensionExpression)[];
      readonly start: number;
    };

export interface ComprehensionExpression {
  readonly kind: "comprehension";
  readonly shape: "array" | "set" | "object";
  readonly key?: Expression;
  readonly value: Expression;
  readonly body: Body;
  /** Holds the collection while it is being made. */
  readonly slot: number;
  readonly start: number;
}

/** A shape that a value must have, with the slots that take its parts. Matched from left to right. */
export type Pattern =
  | { readonly kind: "any" }
  | { readonly kind: "bind"; readonly slot: number }
  | { readonly kind: "equal"; readonly expression: Expression }
  | { readonly kind: "array"; readonly items: readonly Pattern[] }
  | { readonly kind: "object"; readonly members: readonly (readonly [Expression, Pattern])[] };

export type Step =
  /** Goes on if the value is defined and not false. */
  | { readonly kind: "test"; readonly expression: Expression }
  | { readonly kind: "match"; readonly expression: Expression; readonly pattern: Pattern }
  /** Goes on for each member of a collection. */
  | { readonly kind: "iterate"; readonly base: Expression; readonly key: Pattern; readonly value: Pattern }
  /** Goes on for each name (or key) below a place in `data`, whose values are not worked out for that. */
  | {
      readonly kind: "names";
      readonly document: Expression & { readonly kind: "document" };
      readonly keys: readonly Expression[];
      readonly slot: number;
    }
  /** Goes on for each result of a relation. */
  | {
      readonly kind: "enumerate";
      readonly builtin: Builtin;
      readonly operands: readonly Expression[];
      readonly slot: number;
      readonly start: number;
    }
  | { readonly kind: "not"; readonly body: Body }
  | {
      readonly kind: "every";
      readonly domain: Expression;
      readonly key: Pattern;
      readonly value: Pattern;
      readonly body: Body;
    }
  | { readonly kind: "with"; readonly replacements: readonly PlannedReplacement[]; readonly steps: readonly Step[] }
  | { readonly kind: "print"; readonly operands: readonly ComprehensionExpression[]; readonly start: number };

export type PlannedReplacement =
  | { readonly kind: "input" | "data"; readonly path: readonly string[]; readonly value: Expression }
  | { readonly kind: "function"; readonly replaced: Callee; readonly value: Expression | Callee };

/** Literals in the order in which they are evaluated. */
export type Body = readonly PlannedLiteral[];

export interface PlannedLiteral extends Span {
  readonly steps: readonly Step[];
  /** Named variables that the literal mentions, for explanations. */
  readonly variables: readonly { readonly name: string; readonly slot: number }[];
  /** References that the literal mentions, by their text; only in plans made for explanations. */
  readonly references: readonly { readonly name: string; readonly expression: Expression }[];
}

/** A rule, ready to be compiled. */
export interface PlannedRule extends Span {
  readonly source: Source;
  readonly isDefault: boolean;
  readonly parameters: readonly Pattern[];
  readonly branches: readonly PlannedBranch[];
  readonly frameSize: number;
}

export interface PlannedBranch extends Span {
  readonly body: Body;
  readonly keys: readonly Expression[];
  readonly member?: Expression;
  readonly value: Expression;
}

/** What a rule reads: decides about recursion, and whether its value can be kept from one evaluation to the next. */
export interface Dependencies {
  readonly groups: Set<RuleGroup>;
  readonly builtins: Set<Builtin>;
  readsInput: boolean;
  readsBaseData: boolean;
  prints: boolean;
}

/** Functions and data paths that some `with` of the policy replaces. */
export interface Replaced {
  readonly functions: Set<Builtin | RuleGroup>;
  readonly dataPaths: (readonly string[])[];
}
