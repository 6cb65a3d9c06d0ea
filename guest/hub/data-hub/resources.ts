import type { Log } from "../../core/log.ts";
import {
  createKbsClient,
  createOfflineProvider,
  createTransport,
  offlineResourceFile,
  passport,
  type ResourceProvider,
  type Timing,
} from "../../kbs/index.ts";
import { readFileIfPresent } from "../../sys/file.ts";
import type { KeyBrokerConfig } from "../config/data-hub-config.ts";
import type { AttestationAgentClient } from "./agent-client.ts";

const maxOfflineBytes = 8 * 1024 * 1024;

/** What {@link createResourceProvider} connects. */
export interface ResourceProviderParts {
  readonly attestationAgent: AttestationAgentClient;
  readonly timing: Timing;
  readonly log: Log;
  /** Aborted when the service stops. */
  readonly lifetime: AbortSignal;
}

/**
 * Where the data hub's resources come from: a key broker, asked with the attestation agent's token (which is kept until shortly
 * before it ends), or a file of the image.
 */
export function createResourceProvider(config: KeyBrokerConfig, parts: ResourceProviderParts): ResourceProvider {
  if (config.kind === "offline_fs_kbc") {
    return createOfflineProvider(() => readFileIfPresent(offlineResourceFile, maxOfflineBytes));
  }
  const { attestationAgent, timing, log, lifetime } = parts;
  const transport = createTransport(config.endpoint);
  lifetime.addEventListener("abort", () => transport.close(), { once: true });
  const openSession = passport((signal) => attestationAgent.getKbsToken(signal));
  return createKbsClient({ transport, openSession, timing, log, lifetime });
}
