import { daemonCommand } from "../daemon.ts";
import { refuseWorker } from "../refusal.ts";
import { startAgent } from "./agent.ts";

/** `podkeep agent`. */
export const agentCommand = daemonCommand({
  name: "agent",
  summary: "serve the Kata agent API, every request decided by the policy",
  start: startAgent,
  onFailure: refuseWorker,
});
