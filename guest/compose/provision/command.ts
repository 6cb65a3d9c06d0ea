import type { Command } from "../../core/command.ts";
import { daemonCommand } from "../daemon.ts";
import { provision } from "./provision.ts";
import { refresh } from "./refresh.ts";

const refreshFlag = "--refresh";
const refreshSummary = "ask for user data again, and replace apf.json and auth.json only";

const start = daemonCommand({
  name: "provision",
  summary: `verify initdata and write what the daemons need; start nothing
       podkeep provision ${refreshFlag}: ${refreshSummary}`,
  start: provision,
  // Loaded when it is needed, which it hardly ever is: every pod waits for this process.
  onFailure: async (failure) => (await import("../refusal.ts")).refuseWorker(failure),
  oneShot: true,
});

const again = daemonCommand({
  name: `provision ${refreshFlag}`,
  summary: refreshSummary,
  start: refresh,
  oneShot: true,
});

/** `podkeep provision`, at the start of the VM and, with `--refresh`, while it runs. */
export const provisionCommand: Command = (args, io) =>
  args.includes(refreshFlag)
    ? again(
        args.filter((argument) => argument !== refreshFlag),
        io,
      )
    : start(args, io);
