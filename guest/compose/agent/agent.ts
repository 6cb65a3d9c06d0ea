import { join } from "node:path";
import { createAgentService } from "../../agent/agent-service.ts";
import { defaultAgentSettings } from "../../agent/default-settings.ts";
import type { Unsealer } from "../../agent/dependencies.ts";
import type { Log } from "../../core/log.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { systemTiming } from "../../kbs/index.ts";
import { NamespaceNetwork } from "../../network/namespace-network.ts";
import { compilerFor } from "../../policy/compile-source.ts";
import { type LoadedPolicySource, readDefaultPolicy } from "../../policy/default-policy.ts";
import { PolicyGate } from "../../policy/policy-gate.ts";
import { AgentService } from "../../rpc/messages/agent.ts";
import { ImagePullService, SealedSecretService } from "../../rpc/messages/confidential-data-hub.ts";
import { Health } from "../../rpc/messages/health.ts";
import type { RpcClient } from "../../rpc/method.ts";
import { MethodRegistry } from "../../rpc/method-registry.ts";
import { servePort } from "../../rpc/port.ts";
import { createGuestPaths, type GuestPaths } from "../../runtime/guest-paths.ts";
import type { ImagePuller } from "../../runtime/image-puller.ts";
import { OciRuntime } from "../../runtime/oci-runtime.ts";
import { probeOciRuntime } from "../../runtime/runtime-probe.ts";
import { ChildReaper } from "../../sys/child-reaper.ts";
import { findProgram } from "../../sys/program.ts";
import { readApfFile } from "../apf-file.ts";
import type { AgentConfiguration } from "../configuration.ts";
import type { StartDaemon } from "../daemon.ts";
import { applyMeasuredSettings } from "../measured-settings.ts";
import { loadProvisionedInitdata } from "../provisioned-files.ts";
import { workerAddress } from "../worker-address.ts";
import { encryptedDisksOf } from "./encrypted-disks.ts";
import { connectHub } from "./hub-connection.ts";
import { endWhenIdle } from "./idle-power-off.ts";
import { connectPodNetwork } from "./pod-network.ts";
import { PortTls } from "./port-tls.ts";
import { limitWorkloadMemory } from "./workload-memory.ts";

/** How long an unsealing may take; the reference's cdh_api_timeout. */
const hubCallTimeoutMs = 50_000;

/**
 * How long processes that nobody waits for stay zombies. A container of crun can not end before the helpers that died in it are
 * reaped.
 */
const orphanGraceMs = 2000;

/**
 * Serves the Kata agent API. The port opens last: when the initdata is verified, the policy compiled, the OCI runtime proven to
 * run containers and the hub there (threat model row 7).
 */
export const startAgent: StartDaemon = async ({ configuration: image, log, notice, scope }) => {
  const initdata = loadProvisionedInitdata(image.provision.directory);
  const configuration = applyMeasuredSettings(image, initdata);
  const { agent } = configuration;
  const paths = guestPathsOf(agent);
  const apf = readApfFile(agent);
  limitWorkloadMemory(agent, log);
  // The policy last: compiling it keeps this thread busy while the others wait for programs and sockets.
  const [runtime, hub, , gate] = await Promise.all([
    openRuntime(agent, paths, log),
    connectHub(configuration, initdata, scope),
    connectPodNetwork(apf.file, agent, log, scope),
    createGate(agent, initdata, log),
  ]);
  const tls =
    agent.tls === "off"
      ? undefined
      : await PortTls.open({ agent, apf, hub, timing: systemTiming, log, signal: scope.signal });
  const reaper = new ChildReaper({ orphanGraceMs });
  scope.add("child reaper", () => reaper.close());
  const service = createAgentService({
    paths,
    settings: defaultAgentSettings,
    runtime,
    reaper,
    imagePuller: imagePullerOf(hub),
    unsealer: unsealerOf(hub),
    encryptedDisks: encryptedDisksOf(hub),
    network: new NamespaceNetwork(paths.networkNamespace),
    policy: gate,
    log,
    now: () => performance.now(),
    onDestroyed: () => void scope.close(),
  });
  scope.add("sandbox", () => service.close());
  const registry = new MethodRegistry({ gate, log });
  registry.add(AgentService, service.agent);
  registry.add(Health, service.health);
  const onIdle = (): void => {
    notice(
      `no worker has been connected for ${agent.idlePowerOffMinutes} minutes (agent.idle_power_off_minutes): ending`,
    );
    void scope.close();
  };
  const onConnections = endWhenIdle(agent.idlePowerOffMinutes, onIdle, scope);
  const transport = tls === undefined ? { plain: true } : { tls: tls.material };
  const port = await servePort({
    registry,
    listen: workerAddress(agent.listen),
    ...transport,
    onConnections,
    log,
    scope,
  });
  tls?.keepCurrent(port);
  log.info("agent serves", { listen: agent.listen, policy: gate.status });
};

async function createGate(agent: AgentConfiguration, initdata: Initdata | undefined, log: Log): Promise<PolicyGate> {
  const { policy, origin } = choosePolicy(initdata, agent);
  const compile = await compilerFor(policy);
  return new PolicyGate({ policy, origin, debug: agent.explainToHost, log, compile });
}

/** The initdata's policy replaces the image's completely (scenario P11). */
function choosePolicy(initdata: Initdata | undefined, { defaultPolicy }: AgentConfiguration): LoadedPolicySource {
  if (initdata?.policy === undefined) return readDefaultPolicy(defaultPolicy);
  return { policy: initdata.policy, origin: { kind: "initdata" } };
}

function guestPathsOf(agent: AgentConfiguration): GuestPaths {
  return createGuestPaths({
    base: agent.stateDirectory,
    namespaces: join(agent.runtimeDirectory, "namespaces"),
    runtimeState: join(agent.runtimeDirectory, "containers"),
    consoleSockets: join(agent.runtimeDirectory, "consoles"),
    pauseBundle: agent.pauseBundle,
    cgroupParent: agent.cgroupParent,
    networkNamespace: agent.networkNamespace || undefined,
  });
}

/** A runtime that can't run containers here is found out now, not when the pod is waiting. */
async function openRuntime(agent: AgentConfiguration, paths: GuestPaths, log: Log): Promise<OciRuntime> {
  const program = agent.runtime.startsWith("/") ? agent.runtime : findProgram(agent.runtime);
  const runtime = new OciRuntime({ program, stateDirectory: paths.runtimeState });
  log.info("OCI runtime", { program, version: await probeOciRuntime(runtime, paths) });
  return runtime;
}

function imagePullerOf(hub: RpcClient): ImagePuller {
  return {
    async pullImage(reference, bundlePath, signal) {
      await hub.call(ImagePullService.methods.PullImage, { image_url: reference, bundle_path: bundlePath }, { signal });
    },
  };
}

function unsealerOf(hub: RpcClient): Unsealer {
  return {
    async unsealSecret(secret, signal) {
      const request = { secret: Buffer.from(secret) };
      const options = { timeoutMs: hubCallTimeoutMs, signal };
      return (await hub.call(SealedSecretService.methods.UnsealSecret, request, options)).plaintext;
    },
  };
}
