import type { AgentService } from "../rpc/messages/agent.ts";
import type { Health } from "../rpc/messages/health.ts";
import type { Handlers } from "../rpc/method.ts";
import type { GuestPaths } from "../runtime/guest-paths.ts";
import { createBindDriver, createWatchableBindDriver } from "../runtime/storage/bind.ts";
import { createEphemeralDriver } from "../runtime/storage/ephemeral.ts";
import { createImagePullDriver } from "../runtime/storage/image-pull.ts";
import { createLocalDriver } from "../runtime/storage/local.ts";
import { createOverlayDriver } from "../runtime/storage/overlayfs.ts";
import { StorageTable } from "../runtime/storage/storage-table.ts";
import { makeDirectories } from "../sys/file.ts";
import type { AgentDependencies } from "./dependencies.ts";
import { containerHandlers } from "./handlers/container.ts";
import { diagnosticsHandlers } from "./handlers/diagnostics.ts";
import { fileHandlers } from "./handlers/files.ts";
import { guestHandlers } from "./handlers/guest.ts";
import { healthHandlers } from "./handlers/health.ts";
import { metricsHandlers } from "./handlers/metrics.ts";
import { networkHandlers } from "./handlers/network.ts";
import { processHandlers } from "./handlers/process.ts";
import { refusedHandlers } from "./handlers/refused.ts";
import { sandboxHandlers } from "./handlers/sandbox.ts";
import { streamHandlers } from "./handlers/streams.ts";
import { volumeHandlers } from "./handlers/volumes.ts";
import { Sandbox } from "./sandbox.ts";

/** The agent's two services, ready to be registered behind a gate. */
export interface AgentServices {
  readonly agent: Required<Handlers<typeof AgentService>>;
  readonly health: Handlers<typeof Health>;
  /** Ends a sandbox that still runs. */
  close(): Promise<void>;
}

/**
 * Makes the agent: one sandbox, its containers, and a handler for every method. Makes the directories that it works in, where
 * missing; does nothing else until called.
 *
 * @throws SystemError when a directory cannot be made
 */
export function createAgentService(dependencies: AgentDependencies): AgentServices {
  const { paths, settings, imagePuller, network, log } = dependencies;
  prepareDirectories(paths);
  const storages = new StorageTable(
    [
      createImagePullDriver(paths, imagePuller, settings.imagePullTimeoutMs),
      createEphemeralDriver(paths),
      createLocalDriver(paths),
      createBindDriver(paths),
      createOverlayDriver(paths),
      createWatchableBindDriver(paths),
    ],
    log,
  );
  const sandbox = new Sandbox(dependencies, storages);
  return {
    agent: {
      ...sandboxHandlers(sandbox, dependencies),
      ...containerHandlers(sandbox, dependencies),
      ...processHandlers(sandbox, dependencies),
      ...streamHandlers(sandbox),
      ...fileHandlers(sandbox, dependencies),
      ...networkHandlers(network),
      ...guestHandlers(sandbox, dependencies),
      ...volumeHandlers(sandbox, dependencies),
      ...diagnosticsHandlers(sandbox, dependencies),
      ...metricsHandlers(),
      ...refusedHandlers(),
    },
    health: healthHandlers(),
    close: () => sandbox.close(),
  };
}

function prepareDirectories(paths: GuestPaths): void {
  for (const directory of [
    paths.base,
    paths.sharedContainers,
    paths.sandboxStorage,
    paths.cloudVolumes,
    paths.namespaces,
  ]) {
    makeDirectories(directory);
  }
  for (const directory of [paths.uploads, paths.consoleSockets, paths.runtimeState]) makeDirectories(directory, 0o700);
}
