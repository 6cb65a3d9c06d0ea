import { AgentService } from "../rpc/messages/agent.ts";
import type { MethodDefinition } from "../rpc/method.ts";
import { entrypointOf } from "./entrypoints.ts";
import type { PolicyEngine } from "./policy-engine.ts";

/** The requests of the agent that a policy has no rule for, not even a default: they fail with an error instead of a denial. */
export function missingRules(engine: PolicyEngine): readonly string[] {
  const methods = Object.values<MethodDefinition>(AgentService.methods);
  const entrypoints = new Set(methods.map(({ request }) => entrypointOf(request)));
  return [...entrypoints].filter((entrypoint) => !engine.hasRule(entrypoint));
}
