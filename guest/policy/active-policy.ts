import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { CompileSource } from "./compile-source.ts";
import { type Decision, decisionOf } from "./decision.ts";
import { allowFailuresEntrypoint } from "./entrypoints.ts";
import type { PolicyEngine, PolicySource } from "./policy-engine.ts";
import { PolicyState, type StateTransaction } from "./policy-state.ts";

/** Where a policy came from; what came from verified initdata can't be replaced. */
export type PolicyOrigin =
  | { readonly kind: "initdata" }
  | { readonly kind: "default-file"; readonly path: string }
  | { readonly kind: "set-policy" };

/** A policy in force, with what it remembers. A new policy starts with a new memory. */
export class ActivePolicy {
  readonly origin: PolicyOrigin;
  readonly engine: PolicyEngine;
  /** Hex SHA-256 of the text or module. */
  readonly digestHex: string;
  /** The policy asks that denied and undefined requests pass (spec/policy-enforcement.md 5.3). */
  readonly allowsFailures: boolean;
  readonly #state = new PolicyState();

  /**
   * Compiles a policy and asks it whether failures are to pass.
   *
   * @throws GuestError `invalid-argument` when it does not load
   */
  constructor(source: PolicySource, origin: PolicyOrigin, compile: CompileSource, log: Log) {
    this.origin = origin;
    this.engine = compile(source, origin.kind === "default-file" ? origin.path : "agent_policy");
    this.digestHex = createHash("sha256")
      .update(source.kind === "rego" ? source.text : source.module)
      .digest("hex");
    this.allowsFailures = this.#asksToAllowFailures();
    log.info("policy loaded", {
      origin,
      kind: source.kind,
      sha256: this.digestHex,
      allowsFailures: this.allowsFailures,
    });
    if (this.allowsFailures) log.warn("this policy lets requests pass that its rules deny");
  }

  /** What the rules say of a request with this memory. @throws whatever the engine throws */
  decide(entrypoint: string, input: JsonObject, document: JsonObject): Decision {
    return decisionOf(this.engine.evaluate(entrypoint, input, document));
  }

  /**
   * Judges a request by what the policy remembers. It has to pass whether the older ones that are still being worked on succeed or
   * fail: else a host that sends many at once could have one pass that relies on another's start, and make that start fail
   * (threat 29).
   *
   * @returns the decision, and the policy's memory that it was made on
   * @throws whatever the engine throws
   */
  judge(entrypoint: string, input: JsonObject): { readonly decision: Decision; readonly document: JsonObject } {
    const { document, certain } = this.#state;
    const decision = this.decide(entrypoint, input, document);
    if (decision.kind !== "allowed" || certain === document) return { decision, document };
    const without = this.decide(entrypoint, input, certain);
    return without.kind === "allowed" ? { decision, document } : { decision: without, document: certain };
  }

  /**
   * Applies the operations of an allowed request to the memory, until the request has failed.
   *
   * @throws JsonPatchError, GuestError `resource-exhausted`
   */
  remember(entrypoint: string, input: JsonObject, operations: readonly JsonValue[]): StateTransaction {
    return this.#state.begin(operations, (document) => {
      try {
        const decision = this.decide(entrypoint, input, document);
        return decision.kind === "allowed" ? decision.operations : undefined;
      } catch {
        // No answer is no permission; the request's first answer has been reported when it was given.
        return undefined;
      }
    });
  }

  #asksToAllowFailures(): boolean {
    try {
      return this.decide(allowFailuresEntrypoint, {}, this.#state.document).kind === "allowed";
    } catch {
      // An error means off, as in the reference.
      return false;
    }
  }
}
