import { setTimeout } from "node:timers/promises";
import { Scope } from "../core/scope.ts";
import { defaultPortLimits, type PortLimits } from "../rpc/limits.ts";
import { AgentService } from "../rpc/messages/agent.ts";
import { Health } from "../rpc/messages/health.ts";
import { servePort } from "../rpc/port.ts";
import { RefusedMethods } from "../rpc/refused-methods.ts";
import type { ServerTls } from "../rpc/tls.ts";
import { readFileIfPresent } from "../sys/file.ts";
import { maxApfFileBytes, parseApfFile } from "./apf-file.ts";
import type { AgentConfiguration } from "./configuration.ts";
import type { FailedStart } from "./daemon.ts";
import { composePortTls } from "./tls-material.ts";
import { workerAddress } from "./worker-address.ts";

/** There is one worker, and it speaks at once. */
const limits: PortLimits = { ...defaultPortLimits, maxConnections: 64, firstByteTimeoutMs: 5000 };

/**
 * Tells the worker why the start failed, for `agent.refusal_seconds`: port 15150 refuses every call with the line that is on the
 * console, so that the shim puts it into the pod's event. Peers that don't get as far as a call read it as plain text. Nothing that
 * they send is decoded or acted on. Nothing is trusted for it but the image's configuration, nor used but that and the host's own
 * TLS material: the initdata may be the very thing that is wrong.
 */
export async function refuseWorker({ configuration, line, apfFile, log, signal }: FailedStart): Promise<void> {
  const { agent } = configuration;
  if (agent.refusalSeconds === 0) return;
  await using scope = new Scope();
  try {
    await servePort({
      registry: new RefusedMethods(line, [AgentService, Health]),
      listen: workerAddress(agent.listen),
      ...(agent.tls === "off" ? { plain: true } : { tls: usableTls(agent, apfFile) }),
      farewell: `${line}\n`,
      limits,
      log,
      scope,
    });
  } catch (error) {
    log.warn("the worker can't be told why the start failed", { error });
    return;
  }
  log.info("the worker is told why the start failed", { listen: agent.listen, seconds: agent.refusalSeconds });
  await setTimeout(agent.refusalSeconds * 1000, undefined, { signal }).catch(() => {});
}

/** @returns undefined when there is none, or none that a port could be opened with: that may be what the start failed of */
function usableTls(agent: AgentConfiguration, delivered: string | undefined): ServerTls | undefined {
  try {
    const { tls } = parseApfFile(delivered ?? readFileIfPresent(agent.apfFile, maxApfFileBytes) ?? "{}");
    return composePortTls(agent, tls, undefined);
  } catch {
    return undefined;
  }
}
