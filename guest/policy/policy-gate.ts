import { GuestError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { CallContext, Gate, GateDecision, MessageInit, MethodDefinition } from "../rpc/method.ts";
import { ActivePolicy, type PolicyOrigin } from "./active-policy.ts";
import { type CompileSource, compileSource } from "./compile-source.ts";
import { allowed } from "./decision.ts";
import { agentService, entrypointOf, healthService } from "./entrypoints.ts";
import type { PolicySource } from "./policy-engine.ts";
import { PolicyInputs } from "./policy-input.ts";
import { blockedByPolicy, noAnswerOfPolicy, PolicyRefusal, undefinedInPolicy } from "./policy-refusal.ts";
import { explainRefusal, type Question } from "./refusal-report.ts";
import { guardRequest } from "./request-guard.ts";

/** What a gate is made of. */
export interface PolicyGateOptions {
  readonly policy: PolicySource;
  readonly origin: PolicyOrigin;
  /** Measured debug: denials carry the policy's prints to the peer (threat model row 21). */
  readonly debug: boolean;
  readonly log: Log;
  /** Makes the engine; the one for Rego and WebAssembly when absent. */
  readonly compile?: CompileSource;
}

/** What the gate goes by, for attestation status and logs. */
export interface PolicyStatus {
  readonly origin: PolicyOrigin["kind"];
  /** Hex SHA-256 of the policy's text or module. */
  readonly sha256: string;
  /** The policy lets requests pass that its rules deny. */
  readonly allowsFailures: boolean;
}

/**
 * Decides every request of the agent by `data.agent_policy.<Request>` (spec/policy-enforcement.md): decode, guard, decide,
 * act, commit. Nothing but a rule's `true` or `{"allowed": true}` lets a request pass. Deciding is synchronous, so two decisions
 * never overlap; a decision's budget is the engine's.
 */
export class PolicyGate implements Gate {
  readonly #inputs = new PolicyInputs();
  readonly #debug: boolean;
  readonly #log: Log;
  readonly #compile: CompileSource;
  #active: ActivePolicy;

  /** @throws GuestError `invalid-argument` when the policy does not load */
  constructor(options: PolicyGateOptions) {
    this.#debug = options.debug;
    this.#log = options.log;
    this.#compile = options.compile ?? compileSource;
    this.#active = new ActivePolicy(options.policy, options.origin, this.#compile, options.log);
  }

  /** The policy in force. */
  get status(): PolicyStatus {
    const { origin, digestHex, allowsFailures } = this.#active;
    return { origin: origin.kind, sha256: digestHex, allowsFailures };
  }

  /**
   * Replaces the policy and forgets what the old one remembered. The work of SetPolicy: its request has passed the gate.
   *
   * @throws GuestError `permission-denied` when the policy came from verified initdata (threat model row 12); `invalid-argument`
   *   with the parser's text when the new one does not load, the old one stays in force then
   */
  setPolicy(text: string): void {
    this.#refuseToReplaceMeasuredPolicy();
    this.#active = new ActivePolicy({ kind: "rego", text }, { kind: "set-policy" }, this.#compile, this.#log);
  }

  /** See {@link Gate}. A refused read of a stream is answered as the end of the stream, before anything is read (row 58). */
  decide<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    context: CallContext,
  ): GateDecision<Response> {
    if (method.service === healthService) return passage;
    if (method.service !== agentService)
      throw new GuestError("permission-denied", `no policy decides requests of ${method.service}`);
    const entrypoint = entrypointOf(method.request);
    guardRequest(entrypoint, request);
    try {
      return this.#judge(entrypoint, this.#inputs.inputOf(method.request, request), context.log);
    } catch (error) {
      // Every member of an init may be absent: this is the response with empty data.
      const endOfStream = {} as MessageInit<Response>;
      if (entrypoint === "ReadStreamRequest" && error instanceof PolicyRefusal)
        return { kind: "answer", response: endOfStream };
      throw error;
    }
  }

  #judge(entrypoint: string, input: JsonObject, log: Log): Allowed {
    if (entrypoint === "SetPolicyRequest") this.#refuseToReplaceMeasuredPolicy();
    const active = this.#active;
    const { decision, document } = this.#ask(active, entrypoint, input, log);
    switch (decision.kind) {
      case "allowed":
        return decision === allowed ? passage : this.#remember(active, entrypoint, input, decision.operations, log);
      case "invalid":
        log.error("policy gave no decision", { entrypoint, problem: decision.problem });
        throw noAnswerOfPolicy(entrypoint);
      default:
        return this.#refuse(active, { entrypoint, input, document }, decision.kind, log);
    }
  }

  #ask(active: ActivePolicy, entrypoint: string, input: JsonObject, log: Log): ReturnType<ActivePolicy["judge"]> {
    try {
      return active.judge(entrypoint, input);
    } catch (cause) {
      log.error("policy evaluation failed", { entrypoint, error: cause });
      throw noAnswerOfPolicy(entrypoint, cause);
    }
  }

  #remember(
    active: ActivePolicy,
    entrypoint: string,
    input: JsonObject,
    operations: readonly JsonValue[],
    log: Log,
  ): Allowed {
    try {
      const { commit, rollback } = active.remember(entrypoint, input, operations);
      return { kind: "allow", commit, rollback };
    } catch (cause) {
      log.error("policy state could not be changed", { entrypoint, error: cause });
      throw noAnswerOfPolicy(entrypoint, cause);
    }
  }

  #refuse(active: ActivePolicy, question: Question, why: "denied" | "undefined", log: Log): Allowed {
    const { entrypoint } = question;
    if (active.allowsFailures) {
      log.warn("request denied by policy, allowed by AllowRequestsFailingPolicy", { entrypoint });
      return passage;
    }
    const prints = explainRefusal(active.engine, question, this.#debug, log);
    throw why === "denied" ? blockedByPolicy(entrypoint, prints) : undefinedInPolicy(entrypoint);
  }

  #refuseToReplaceMeasuredPolicy(): void {
    if (this.#active.origin.kind !== "initdata") return;
    this.#log.warn("SetPolicy refused: the policy is the one that was measured with the initdata");
    throw blockedByPolicy("SetPolicyRequest", "");
  }
}

/** The decision that lets a request pass. */
type Allowed = Extract<GateDecision<never>, { readonly kind: "allow" }>;

/** Lets a request pass that changes nothing in the policy's memory. */
const passage: Allowed = Object.freeze({ kind: "allow", commit: () => {}, rollback: () => {} });
