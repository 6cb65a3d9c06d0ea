import { daemonCommand } from "./daemon.ts";
import { provision } from "./provision.ts";

/** `podkeep provision`. */
export const provisionCommand = daemonCommand({
  name: "provision",
  summary: "verify initdata and write what the daemons need; start nothing",
  start: provision,
  oneShot: true,
});
