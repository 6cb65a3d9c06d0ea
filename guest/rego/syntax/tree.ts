/** The syntax tree. The same for v0 and v1: the parser decides what a rule means, nothing after it asks for the version. */
import type { Value } from "../value.ts";
import type { Source, Span } from "./source.ts";

export interface ModuleTree {
  readonly source: Source;
  readonly version: "v0" | "v1";
  /** The package's path without the leading `data`. */
  readonly packagePath: readonly string[];
  readonly imports: readonly ImportTree[];
  readonly rules: readonly RuleTree[];
}

/** `import data.a.b as c`. Imports of `rego.v1` and `future.keywords` only guide the parser and are not in the tree. */
export interface ImportTree extends Span {
  /** Starts with `data` or `input`. */
  readonly path: readonly string[];
  readonly alias: string;
}

/** One head with one body and its `else` branches. A v0 rule with several bodies becomes several of these. */
export interface RuleTree extends Span {
  readonly isDefault: boolean;
  /** The name. */
  readonly name: string;
  /** What follows the name: `["b", x]` for `a.b[x]`. */
  readonly path: readonly Term[];
  /** Patterns of a function's arguments; absent for other rules. */
  readonly parameters?: readonly Term[];
  /** The member of a partial set: `p contains member`. */
  readonly member?: Term;
  readonly branches: readonly Branch[];
}

/** A rule's body and value, or those of an `else`. */
export interface Branch extends Span {
  /** Absent in partial sets; the constant true where the text has none. */
  readonly value: Term;
  readonly body: readonly Literal[];
}

export type Term =
  | ConstantTerm
  | VariableTerm
  | ReferenceTerm
  | ArrayTerm
  | ObjectTerm
  | SetTerm
  | CallTerm
  | ComprehensionTerm
  | TemplateTerm;

/** A scalar, or an array, object or set of constants. */
export interface ConstantTerm extends Span {
  readonly kind: "constant";
  readonly value: Value;
}

/** A name: a local variable, a rule, an import, `data` or `input`. `_` is a new variable at each place. */
export interface VariableTerm extends Span {
  readonly kind: "variable";
  readonly name: string;
}

export interface ReferenceTerm extends Span {
  readonly kind: "reference";
  readonly head: Term;
  /** `a.b` is the same as `a["b"]`. */
  readonly path: readonly Term[];
}

export interface ArrayTerm extends Span {
  readonly kind: "array";
  readonly items: readonly Term[];
}

export interface ObjectTerm extends Span {
  readonly kind: "object";
  readonly members: readonly (readonly [Term, Term])[];
}

export interface SetTerm extends Span {
  readonly kind: "set";
  readonly items: readonly Term[];
}

export interface CallTerm extends Span {
  readonly kind: "call";
  /** The name in its parts: `["regex", "match"]`; of an operator the built-in it stands for: `["plus"]`. */
  readonly operator: readonly string[];
  readonly operands: readonly Term[];
  /** It was written as an operator, so no rule can be meant. */
  readonly isInfix: boolean;
}

export interface ComprehensionTerm extends Span {
  readonly kind: "comprehension";
  readonly shape: "array" | "set" | "object";
  /** Only in object comprehensions. */
  readonly key?: Term;
  readonly value: Term;
  readonly body: readonly Literal[];
}

/** `$"text {expression}"` */
export interface TemplateTerm extends Span {
  readonly kind: "template";
  /** Text, and expressions (literals of the kind "term") whose values stand in its place. */
  readonly parts: readonly (string | Literal)[];
}

/** One element of a body, with the documents it replaces. */
export interface Literal extends Span {
  readonly expression: Expression;
  readonly replacements: readonly Replacement[];
}

/** `with target as value` */
export interface Replacement extends Span {
  readonly target: readonly Term[];
  readonly value: Term;
}

export type Expression =
  | { readonly kind: "term"; readonly term: Term }
  | { readonly kind: "not"; readonly expression: Expression }
  | { readonly kind: "unify"; readonly left: Term; readonly right: Term }
  | { readonly kind: "assign"; readonly target: Term; readonly value: Term }
  | { readonly kind: "declare"; readonly names: readonly VariableTerm[] }
  | { readonly kind: "some"; readonly key?: Term; readonly value: Term; readonly domain: Term }
  | {
      readonly kind: "every";
      readonly key?: VariableTerm;
      readonly value: VariableTerm;
      readonly domain: Term;
      readonly body: readonly Literal[];
    };
