import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createAgentService } from "../agent/agent-service.ts";
import { defaultAgentSettings } from "../agent/default-settings.ts";
import type { Unsealer } from "../agent/dependencies.ts";
import { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Scope } from "../core/scope.ts";
import { createReconnectingClient } from "../hub/index.ts";
import type { Initdata } from "../initdata/initdata.ts";
import { NamespaceNetwork } from "../network/namespace-network.ts";
import { compilerFor } from "../policy/compile-source.ts";
import { type LoadedPolicySource, readDefaultPolicy } from "../policy/default-policy.ts";
import { PolicyGate } from "../policy/policy-gate.ts";
import { connectTtrpc } from "../rpc/connect.ts";
import { AgentService } from "../rpc/messages/agent.ts";
import { ImagePullService, SealedSecretService } from "../rpc/messages/confidential-data-hub.ts";
import { Health } from "../rpc/messages/health.ts";
import type { RpcClient } from "../rpc/method.ts";
import { MethodRegistry } from "../rpc/method-registry.ts";
import { type PortOptions, servePort } from "../rpc/port.ts";
import { createGuestPaths, type GuestPaths } from "../runtime/guest-paths.ts";
import type { ImagePuller } from "../runtime/image-puller.ts";
import { OciRuntime } from "../runtime/oci-runtime.ts";
import { probeOciRuntime } from "../runtime/runtime-probe.ts";
import { ChildReaper } from "../sys/child-reaper.ts";
import { makeDirectories, readFileIfPresent } from "../sys/file.ts";
import { findProgram } from "../sys/program.ts";
import { listenTcp } from "../sys/socket.ts";
import { listenUnix } from "../sys/unix-socket.ts";
import { type ApfFile, parseApfFile } from "./apf-file.ts";
import type { AgentConfiguration, Configuration } from "./configuration.ts";
import type { StartDaemon } from "./daemon.ts";
import { parseEndpoint } from "./endpoint.ts";
import { connectPodNetwork } from "./pod-network.ts";
import { loadProvisionedInitdata } from "./provision-files.ts";

const maxApfFileBytes = 1024 * 1024;

/** How long an unsealing may take; the reference's cdh_api_timeout. */
const hubCallTimeoutMs = 50_000;

/**
 * How long processes that nobody waits for stay zombies. A container of crun can not end before the helpers that died in it are
 * reaped.
 */
const orphanGraceMs = 2000;

/** How long the hub may take to come up, and how often the agent looks. */
const hubStartTimeoutMs = 30_000;
const hubPollMs = 5;

/**
 * Serves the Kata agent API. The port opens last: when the initdata is verified, the policy compiled, the OCI runtime proven to
 * run containers and the hub there (threat model row 7).
 */
export const startAgent: StartDaemon = async ({ configuration, log, scope }) => {
  const { agent } = configuration;
  const paths = guestPathsOf(agent);
  const apf = readApfFile(agent);
  // The policy last: compiling it keeps this thread busy while the others wait for programs and sockets.
  const [runtime, hub, , gate] = await Promise.all([
    openRuntime(agent, paths, log),
    connectHub(configuration, scope),
    connectPodNetwork(apf, paths.networkNamespace, log, scope),
    createGate(configuration, log),
  ]);
  const reaper = new ChildReaper({ orphanGraceMs });
  scope.add("child reaper", () => reaper.close());
  const service = createAgentService({
    paths,
    settings: defaultAgentSettings,
    runtime,
    reaper,
    imagePuller: imagePullerOf(hub),
    unsealer: unsealerOf(hub),
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
  await servePort({ registry, ...listenOptions(agent, apf), log, scope });
  log.info("agent serves", { listen: agent.listen, policy: gate.status });
};

async function createGate({ agent, provision }: Configuration, log: Log): Promise<PolicyGate> {
  const initdata = loadProvisionedInitdata(provision.directory);
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

/** Waits for the hub, which starts at the same time. It may be restarted later. */
async function connectHub({ hub }: Configuration, scope: Scope): Promise<RpcClient> {
  const connect = (): Promise<RpcClient> => connectTtrpc({ path: hub.dataHubSocket });
  await (await untilConnected(connect, scope.signal)).close();
  const client = createReconnectingClient(connect);
  scope.add("connection to the hub", () => client.close());
  return client;
}

async function untilConnected(connect: () => Promise<RpcClient>, signal: AbortSignal): Promise<RpcClient> {
  const deadline = performance.now() + hubStartTimeoutMs;
  for (;;) {
    try {
      return await connect();
    } catch (cause) {
      if (performance.now() > deadline) throw new GuestError("unavailable", "the data hub does not come up", { cause });
      await setTimeout(hubPollMs, undefined, { signal });
    }
  }
}

function imagePullerOf(hub: RpcClient): ImagePuller {
  return {
    async pullImage(reference, bundlePath, _metadata, signal) {
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

/** What cloud-api-adaptor left. For plain local use it may be missing. */
function readApfFile({ apfFile, tls }: AgentConfiguration): ApfFile {
  const text = tls === "off" ? readFileIfPresent(apfFile, maxApfFileBytes) : readRequired(apfFile);
  return parseApfFile(text ?? "{}");
}

function readRequired(apfFile: string): Uint8Array {
  const text = readFileIfPresent(apfFile, maxApfFileBytes);
  if (text !== undefined) return text;
  throw new GuestError(
    "failed-precondition",
    `${apfFile} is missing: the port's TLS certificate would come from there`,
  );
}

/** Plain only where the measured configuration says so. */
function listenOptions(
  { listen, tls, apfFile }: AgentConfiguration,
  apf: ApfFile,
): Pick<PortOptions, "listen" | "tls" | "plain"> {
  if (tls === "required" && apf.tls === undefined) {
    throw new GuestError(
      "failed-precondition",
      `${apfFile} has no TLS certificate, and the configuration requires TLS`,
    );
  }
  const path = /^unix:\/\/(\/.*)$/.exec(listen)?.[1];
  const socket = path === undefined ? listenTcp(parseEndpoint(listen)) : listenOnPath(path);
  return { listen: { fd: socket }, ...(tls === "off" ? { plain: true } : { tls: apf.tls }) };
}

function listenOnPath(path: string): number {
  makeDirectories(dirname(path), 0o700);
  return listenUnix(path);
}
