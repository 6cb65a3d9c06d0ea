import { startAgent } from "./agent.ts";
import { daemonCommand } from "./daemon.ts";

/** `podkeep agent`. */
export const agentCommand = daemonCommand({
  name: "agent",
  summary: "serve the Kata agent API, every request decided by the policy",
  start: startAgent,
});
