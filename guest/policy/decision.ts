import { isJsonArray, isJsonObject, type JsonValue } from "../core/json.ts";

/** What a policy said of one request. */
export type Decision =
  /** Goes through; `operations` is the JSON Patch that its success makes final, not looked into yet. */
  | { readonly kind: "allowed"; readonly operations: readonly JsonValue[] }
  /** The rule is false. */
  | { readonly kind: "denied" }
  /** There is no such rule, no default, and no body that is true. */
  | { readonly kind: "undefined" }
  /** The rule has a value that is no decision. */
  | { readonly kind: "invalid"; readonly problem: string };

/** What evaluating AllowRequestsFailingPolicy or a boolean rule to true means. */
export const allowed: Decision = { kind: "allowed", operations: [] };

/**
 * Reads a rule's value (spec/policy-enforcement.md 4). Only `true` and an object whose `allowed` is `true` allow; whatever else
 * there may be does not (threat model row 13).
 *
 * @param result the rule's value; undefined when it has none
 */
export function decisionOf(result: JsonValue | undefined): Decision {
  if (result === true) return allowed;
  if (result === false) return { kind: "denied" };
  if (result === undefined) return { kind: "undefined" };
  if (!isJsonObject(result)) return { kind: "invalid", problem: `the rule's value is ${describeType(result)}` };
  const verdict = result["allowed"];
  const operations = result["ops"] ?? [];
  if (typeof verdict !== "boolean") return { kind: "invalid", problem: "member `allowed` is not a boolean" };
  if (!isJsonArray(operations)) return { kind: "invalid", problem: "member `ops` is not an array" };
  return verdict ? { kind: "allowed", operations } : { kind: "denied" };
}

function describeType(value: JsonValue): string {
  if (value === null) return "null";
  return isJsonArray(value) ? "an array" : `a ${typeof value}`;
}
