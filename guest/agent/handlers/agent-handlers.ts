import type { AgentService } from "../../rpc/messages/agent.ts";
import type { Handlers } from "../../rpc/method.ts";

/** The handlers of some methods of the agent's service. */
export type AgentHandlers<Method extends keyof typeof AgentService.methods> = Required<
  Pick<Handlers<typeof AgentService>, Method>
>;
