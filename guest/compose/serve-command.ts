import { pathExists } from "../sys/file.ts";
import { removePersistentNamespace } from "../sys/namespace.ts";
import { startAgent } from "./agent/agent.ts";
import { daemonCommand, type StartDaemon } from "./daemon.ts";
import { startHub } from "./hub/hub.ts";
import { provision } from "./provision/provision.ts";

/** All three in one process, in their order. In the image they are processes of their own (docs/ARCHITECTURE.md). */
const serve: StartDaemon = async (context) => {
  const { networkNamespace } = context.configuration.agent;
  const isOurs = networkNamespace !== "" && !pathExists(networkNamespace);
  if (isOurs) context.scope.add("pod network namespace", () => removePersistentNamespace(networkNamespace));
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
