import type { JsonObject, JsonValue } from "../core/json.ts";

/** A policy in the form in which it was delivered. */
export type PolicySource =
  /** Rego text, package `agent_policy`. */
  | { readonly kind: "rego"; readonly text: string }
  /** A module made by `opa build -t wasm` with the entrypoints `agent_policy/<Request>`. */
  | { readonly kind: "wasm"; readonly module: Uint8Array };

/** A rule body that was tried for a denied request, and the literal that it failed at. */
export interface FailedAttempt {
  /** Path of the rule, such as `data.agent_policy.ExecProcessRequest`. */
  readonly rule: string;
  /** Where the literal stands: `<policy>:<line>`. */
  readonly place: string;
  /** The policy's own text of the literal that failed. */
  readonly literal: string;
  /** What the literal looked at. May hold secrets of the request: for `debug` lines only. */
  readonly values: Readonly<Record<string, string>>;
}

/** A compiled policy. Holds nothing between questions; the document is the gate's. */
export interface PolicyEngine {
  /**
   * The value of `data.agent_policy.<entrypoint>`.
   *
   * @returns undefined when there is no such rule or none of its bodies is true
   * @throws any error when the policy has no answer or used up its budget; the caller denies then
   */
  evaluate(entrypoint: string, input: JsonObject, document: JsonObject): JsonValue | undefined;
  /** The print lines of the same evaluation, `<policy>:<line>: <arguments>`; they may hold the whole request. */
  prints(entrypoint: string, input: JsonObject, document: JsonObject): readonly string[];
  /** Where the same evaluation failed, the body that came furthest first; nothing when the engine can't tell. */
  explain(entrypoint: string, input: JsonObject, document: JsonObject): readonly FailedAttempt[];
  /** Whether there is a rule for these requests; without one they fail as undefined. */
  hasRule(entrypoint: string): boolean;
}
