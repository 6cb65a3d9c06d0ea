/**
 * The Rego engine's public interface: policy text in, decisions out.
 *
 * @example
 *   const policy = compilePolicy([{ name: "agent_policy", text }]);
 *   const decision = policy.evaluate({ path: "data.agent_policy.CopyFileRequest", input });
 */
import type { Builtin } from "./builtins/types.ts";
import type { CodeOptions } from "./compile/unit.ts";
import type { JsonInput } from "./json-input.ts";
import type { Limits } from "./limits.ts";
import type { Value } from "./value.ts";

export { loadBuiltinsFor } from "./builtins/on-demand.ts";
export type { Builtin } from "./builtins/types.ts";
export type { Diagnostic, DiagnosticCode, EvaluationErrorCode } from "./errors.ts";
export { formatDiagnostic, RegoEvaluationError, RegoLimitError, RegoLoadError } from "./errors.ts";
export { formatExplanation } from "./explain.ts";
export { formatValue } from "./format.ts";
export { JsonError, parseJson, toJson, toJsonText } from "./json.ts";
export type { JsonInput } from "./json-input.ts";
export { defaultLimits, type Limits } from "./limits.ts";
export { compilePolicy } from "./policy.ts";
export { equal, fromJson, RegoObject, RegoSet, type Value } from "./value.ts";

/** One policy file. */
export interface PolicyModule {
  /** Shown in errors and prints: `agent_policy` for the policy of the pod. */
  readonly name: string;
  readonly text: string;
}

/** How to compile. */
export interface CompileOptions {
  /** The version of the language. Absent: decided for each module by what it contains, v1 unless it can only be v0. */
  readonly version?: "v0" | "v1";
  readonly limits?: Partial<Limits>;
  /** The functions that policies may call, from `loadBuiltinsFor`. Absent: all but graphql.* and yaml.*, whose libraries are large. */
  readonly builtins?: ReadonlyMap<string, Builtin>;
  /** Accept built-ins whose result depends on time, chance or network. Off: a policy that names one does not load. */
  readonly allowNondeterministic?: boolean;
  /** Load policies with malformed constant patterns, whose expressions are then undefined as in OPA. Off: a load error. */
  readonly allowBadPatterns?: boolean;
  /** For tests: switches optimisations off. They never change a result. */
  readonly optimizations?: Partial<Pick<CodeOptions, "earlyExit" | "folding" | "indexes" | "prints">>;
}

/** One question to a policy. */
export interface EvaluationRequest {
  /** A ground reference such as `data.agent_policy.CreateContainerRequest`. */
  readonly path: string;
  /** The input document; absent means undefined, which differs from null. */
  readonly input?: JsonInput | Value;
  /** The base document, an object such as `{ pstate: {} }`. Absent means empty. */
  readonly data?: Value | JsonInput;
  /** Built-in errors fail the evaluation instead of making the expression undefined. */
  readonly strict?: boolean;
  readonly limits?: Partial<Limits>;
  /** The time now, for `time.now_ns` and for the claims of tokens. Absent: none is known, and what asks for it fails. */
  readonly nowNs?: bigint;
}

/** The answer: no value at all, or a value. */
export type EvaluationResult = { readonly kind: "undefined" } | { readonly kind: "value"; readonly value: Value };

/** Why a request got the answer it got. `formatExplanation` makes text of it. */
export interface Explanation {
  /** The rule bodies that were tried and failed, the one that came furthest first, each followed by those it called. */
  readonly attempts: readonly ExplainedAttempt[];
  /** True when there were more attempts or longer values than are shown. */
  readonly truncated: boolean;
}

/** One body of a rule that did not succeed, and where it stopped. */
export interface ExplainedAttempt {
  /** The rule's path, such as `data.agent_policy.allow_env`. */
  readonly rule: string;
  readonly file: string;
  /** Line of the literal that failed. */
  readonly line: number;
  /** The literal's own text. */
  readonly literal: string;
  /** Variables and references of the literal with their values in Rego notation. */
  readonly values: readonly { readonly name: string; readonly value: string }[];
  /** Literals of the body that held before this one. */
  readonly passed: number;
  /** Literals of the body in all. */
  readonly total: number;
  /** How many of the attempts before this one lie around it: 0 for the rule that was asked for. */
  readonly depth: number;
}

/** A policy that has been checked and compiled. Holds no state between evaluations other than caches. */
export interface CompiledPolicy {
  /** Evaluates. Throws RegoEvaluationError (conflict; built-in error in strict mode) and RegoLimitError. */
  evaluate(request: EvaluationRequest): EvaluationResult;
  /** Evaluates once more with prints on and early exit off: lines `file:line: arguments`. Bounded. Same errors. */
  prints(request: EvaluationRequest): string[];
  /** Evaluates once more and records which bodies failed where, nearest miss first. Never throws an evaluation error. */
  explain(request: EvaluationRequest): Explanation;
  /** Whether a rule with this path exists (a default alone counts). */
  hasRule(path: string): boolean;
  /** Evaluates any query: one map from variable name to value for each solution. Throws RegoLoadError too. */
  query(query: string, request: Omit<EvaluationRequest, "path">): ReadonlyMap<string, Value>[];
}
