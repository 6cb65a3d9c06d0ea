import { convertResources } from "../../runtime/conversion/resources.ts";
import { readStatistics } from "../../runtime/statistics/statistics.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { quotedUnknownContainer } from "../errors.ts";
import { maxRemovalMs } from "../limits.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** The life of a container (spec/agent-rpc.md 5). */
export function containerHandlers(
  sandbox: Sandbox,
  { log }: AgentDependencies,
): AgentHandlers<
  | "CreateContainer"
  | "StartContainer"
  | "RemoveContainer"
  | "UpdateContainer"
  | "PauseContainer"
  | "ResumeContainer"
  | "StatsContainer"
> {
  return {
    CreateContainer: async (request, context) => {
      await sandbox.createContainer(request, context);
      log.info("container is created", { container: request.container_id });
      return {};
    },
    StartContainer: async ({ container_id: container }) => {
      await sandbox.startContainer(container);
      log.info("container is started", { container });
      return {};
    },
    RemoveContainer: async ({ container_id: container, timeout }) => {
      await sandbox.removeContainer(container, timeout === 0 ? undefined : Math.min(timeout * 1000, maxRemovalMs));
      log.info("container is removed", { container });
      return {};
    },
    UpdateContainer: async ({ container_id: id, resources }) => {
      const container = sandbox.container(id, quotedUnknownContainer);
      if (resources !== null) await container.update(convertResources(resources));
      return {};
    },
    PauseContainer: async ({ container_id: id }) => {
      await sandbox.container(id, quotedUnknownContainer).pause();
      return {};
    },
    ResumeContainer: async ({ container_id: id }) => {
      await sandbox.container(id, quotedUnknownContainer).resume();
      return {};
    },
    StatsContainer: ({ container_id: id }) => {
      const { cgroup } = sandbox.container(id, quotedUnknownContainer).parts;
      return { cgroup_stats: readStatistics(cgroup), network_stats: [] };
    },
  };
}
