import { deepFreeze } from "../../guest/core/deep-freeze.ts";
import { GuestError } from "../../guest/core/errors.ts";
import type { JsonObject, JsonValue } from "../../guest/core/json.ts";
import { createLog, type LogLevel } from "../../guest/core/log.ts";
import type { PolicyOrigin } from "../../guest/policy/active-policy.ts";
import type { FailedAttempt, PolicyEngine } from "../../guest/policy/policy-engine.ts";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import type { CallContext, GateDecision, MessageInit, MethodDefinition } from "../../guest/rpc/method.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";

/** What the rules of a test say: a value, or a function of input and document that may throw. */
export type Rules = Readonly<Record<string, JsonValue | Rule>>;
type Rule = (input: JsonObject, document: JsonObject) => JsonValue | undefined;

/** An engine whose rules are functions, to make it fail in ways that no Rego can. */
export class ScriptedEngine implements PolicyEngine {
  readonly #rules: Rules;
  readonly asked: { readonly entrypoint: string; readonly input: JsonObject; readonly document: JsonObject }[] = [];
  attempts: readonly FailedAttempt[] = [];
  printed: readonly string[] = [];

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  evaluate(entrypoint: string, input: JsonObject, document: JsonObject): JsonValue | undefined {
    this.asked.push({ entrypoint, input, document });
    const rule = this.#rules[entrypoint];
    return typeof rule === "function" ? rule(input, document) : rule;
  }

  prints(): readonly string[] {
    return this.printed;
  }

  explain(): readonly FailedAttempt[] {
    return this.attempts;
  }

  hasRule(entrypoint: string): boolean {
    return Object.hasOwn(this.#rules, entrypoint);
  }
}

/** A log and the lines that were written to it. */
export function recordingLog(level: LogLevel = "info") {
  const lines: string[] = [];
  return {
    lines,
    log: createLog(
      (line) => lines.push(line),
      level,
      () => 0,
    ),
  };
}

/** A call as a server hands it to a gate. */
export function callContext(log = recordingLog().log): CallContext {
  return { signal: new AbortController().signal, metadata: new Map(), protocol: "local", connection: 1, log };
}

/** What a gate under test may differ in. */
export interface GateSetting {
  readonly origin?: PolicyOrigin;
  readonly debug?: boolean;
  readonly level?: LogLevel;
}

/** A gate over scripted rules, its engine and its log. */
export function scriptedGate(
  rules: Rules,
  { origin = { kind: "initdata" }, debug = false, level = "info" }: GateSetting = {},
) {
  const engine = new ScriptedEngine(rules);
  const { lines, log } = recordingLog(level);
  const gate = new PolicyGate({
    policy: { kind: "rego", text: "package agent_policy" },
    origin,
    debug,
    log,
    compile: () => engine,
  });
  const decide = decider(gate, log);
  return { gate, engine, lines, log, decide };
}

/** Asks a gate about a method of the agent with a request that went over the wire. */
export function decider(gate: PolicyGate, log = recordingLog().log) {
  return <M extends keyof typeof AgentService.methods>(
    name: M,
    init: MessageInit<RequestOf<(typeof AgentService.methods)[M]>>,
  ): GateDecision => {
    // The table's entry for the name; its type parameters are those of the request.
    const method = AgentService.methods[name] as MethodDefinition;
    return gate.decide(method, receivedRequest(method, init), callContext(log));
  };
}

/** A request as a handler gets it: encoded by a peer, decoded, frozen. */
export function receivedRequest(method: MethodDefinition, init: unknown): unknown {
  const bytes = encodeMessage(method.request, init as MessageInit<unknown>);
  return deepFreeze(decodeMessage(method.request, bytes, { unknownFields: "reject" }));
}

type RequestOf<M> = M extends MethodDefinition<infer Request, infer _Response> ? Request : never;

/** What a refused call throws: code and text for the peer. */
export function refusal(call: () => unknown): { readonly code: string; readonly peerMessage: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof GuestError) return { code: error.code, peerMessage: error.peerMessage };
    throw error;
  }
  throw new Error("the call was allowed");
}
