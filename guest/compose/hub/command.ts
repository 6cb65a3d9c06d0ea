import { daemonCommand } from "../daemon.ts";
import { leaveHubFailure } from "../hub-failure.ts";
import { startHub } from "./hub.ts";

/** `podkeep hub`. */
export const hubCommand = daemonCommand({
  name: "hub",
  summary: "serve the attestation agent, the data hub and the workload's HTTP API",
  start: startHub,
  onFailure: leaveHubFailure,
});
