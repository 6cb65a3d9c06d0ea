import { GuestError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import {
  type Builtin,
  type CompiledPolicy,
  compilePolicy,
  type EvaluationRequest,
  formatDiagnostic,
  fromJson,
  RegoLoadError,
  toJson,
  type Value,
} from "../rego/index.ts";
import { maxPolicyBytes } from "./limits.ts";
import type { FailedAttempt, PolicyEngine } from "./policy-engine.ts";

/**
 * Compiles a policy in Rego.
 *
 * @param text the policy, package `agent_policy`
 * @param name shown in prints and errors: `agent_policy`, or the path of the file it comes from
 * @param builtins the functions that it may call, from `loadBuiltinsFor`; absent: those that need no loading
 * @throws GuestError `invalid-argument` with every fault of the text, each with its line
 */
export function compileRego(text: string, name: string, builtins?: ReadonlyMap<string, Builtin>): PolicyEngine {
  if (text.length > maxPolicyBytes)
    throw new GuestError("invalid-argument", `the policy is longer than ${maxPolicyBytes} bytes`);
  try {
    return new RegoEngine(compilePolicy([{ name, text }], builtins === undefined ? {} : { builtins }));
  } catch (cause) {
    if (!(cause instanceof RegoLoadError)) throw cause;
    const faults = cause.diagnostics.map(formatDiagnostic).join("\n");
    throw new GuestError("invalid-argument", `the policy does not load:\n${faults}`, { cause });
  }
}

class RegoEngine implements PolicyEngine {
  readonly #policy: CompiledPolicy;
  /** The document of the last evaluation in the engine's form; documents are never changed. */
  #document: JsonObject | undefined;
  #data: Value | undefined;

  constructor(policy: CompiledPolicy) {
    this.#policy = policy;
  }

  evaluate(entrypoint: string, input: JsonObject, document: JsonObject): JsonValue | undefined {
    const result = this.#policy.evaluate(this.#request(entrypoint, input, document));
    return result.kind === "value" ? toJson(result.value) : undefined;
  }

  prints(entrypoint: string, input: JsonObject, document: JsonObject): readonly string[] {
    return this.#policy.prints(this.#request(entrypoint, input, document));
  }

  explain(entrypoint: string, input: JsonObject, document: JsonObject): readonly FailedAttempt[] {
    const { attempts } = this.#policy.explain(this.#request(entrypoint, input, document));
    return attempts.map(({ rule, file, line, literal, values }) => ({
      rule,
      place: `${file}:${line}`,
      literal,
      values: Object.fromEntries(values.map(({ name, value }) => [name, value])),
    }));
  }

  hasRule(entrypoint: string): boolean {
    return this.#policy.hasRule(pathOf(entrypoint));
  }

  #request(entrypoint: string, input: JsonObject, document: JsonObject): EvaluationRequest {
    if (document !== this.#document) {
      this.#document = document;
      this.#data = fromJson(document);
    }
    const path = pathOf(entrypoint);
    return this.#data === undefined ? { path, input } : { path, input, data: this.#data };
  }
}

function pathOf(entrypoint: string): string {
  return `data.agent_policy.${entrypoint}`;
}
