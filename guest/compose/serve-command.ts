import { startAgent } from "./agent.ts";
import { daemonCommand, type StartDaemon } from "./daemon.ts";
import { startHub } from "./hub.ts";
import { provision } from "./provision.ts";

/** All three in one process, in their order. In the image they are processes of their own (docs/ARCHITECTURE.md). */
const serve: StartDaemon = async (context) => {
  await provision(context);
  await startHub(context);
  await startAgent(context);
};

/** `podkeep serve`. */
export const serveCommand = daemonCommand({
  name: "serve",
  summary: "provision, hub and agent together, for development",
  start: serve,
});
