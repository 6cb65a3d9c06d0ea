import { dirname, join } from "node:path";
import type { Attester } from "../../attest/attester.ts";
import { openEventLogFiles } from "../../attest/eventlog/files.ts";
import { EventLogRecorder } from "../../attest/eventlog/recorder.ts";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Scope } from "../../core/scope.ts";
import { podkeepVersion } from "../../core/version.ts";
import {
  type AttestationAgentConfig,
  createAttestationAgent,
  createAttestationAgentClient,
  createDataHub,
  createReconnectingClient,
  createResourceProvider,
  createSecureMounts,
  type DataHubParts,
  defaultAttestationAgentConfig,
  type EventRecorder,
  parseAttestationAgentConfig,
  type SecureMountParts,
  type SecureMounts,
  systemStorageTools,
  writeCredentialFiles,
} from "../../hub/index.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { systemTiming } from "../../kbs/index.ts";
import { createRestApi } from "../../rest/rest-api.ts";
import { connectTtrpc } from "../../rpc/connect.ts";
import { serveHttp } from "../../rpc/http/server.ts";
import { localGate } from "../../rpc/local-gate.ts";
import { AttestationAgentService } from "../../rpc/messages/attestation.ts";
import {
  GetResourceService,
  ImagePullService,
  SealedSecretService,
  SecureMountService,
} from "../../rpc/messages/confidential-data-hub.ts";
import { KeyProviderService } from "../../rpc/messages/keyprovider.ts";
import type { RpcClient } from "../../rpc/method.ts";
import { MethodRegistry } from "../../rpc/method-registry.ts";
import { servePort } from "../../rpc/port.ts";
import { createGuestPaths } from "../../runtime/guest-paths.ts";
import { makeDirectories } from "../../sys/file.ts";
import { listenTcp } from "../../sys/socket.ts";
import { listenUnix } from "../../sys/unix-socket.ts";
import { type Configuration, type HubConfiguration, luksHeaderDirectory } from "../configuration.ts";
import type { StartDaemon } from "../daemon.ts";
import { dataHubConfigOf, imageStoreOf } from "../data-hub-config.ts";
import { parseEndpoint } from "../endpoint.ts";
import { clearHubFailure } from "../hub-failure.ts";
import { applyMeasuredSettings } from "../measured-settings.ts";
import { loadProvisionedInitdata, provisionedFiles } from "../provisioned-files.ts";
import { composeImagePull } from "./image-pull.ts";
import { chooseAttester } from "./platform.ts";

/**
 * Serves the attestation agent, the data hub and the workload's HTTP API. The three meet by the reference's own socket
 * interface even in one process, so that each can be swapped for the reference's program.
 */
export const startHub: StartDaemon = async ({ configuration: image, log, scope }) => {
  const initdata = loadProvisionedInitdata(image.provision.directory);
  const configuration = applyMeasuredSettings(image, initdata);
  const parts = { configuration, initdata, log, scope };
  const agentSocket = await serveAttestationAgent(parts);
  const hubSocket = await serveDataHub(parts, agentSocket);
  await serveRest(parts, agentSocket, hubSocket);
  clearHubFailure(configuration);
  log.info("hub serves", { attestationAgent: agentSocket, dataHub: hubSocket, rest: configuration.hub.restListen });
};

interface HubParts {
  readonly configuration: Configuration;
  readonly initdata: Initdata | undefined;
  readonly log: Log;
  readonly scope: Scope;
}

/** @returns path of the socket */
async function serveAttestationAgent({ configuration, initdata, log, scope }: HubParts): Promise<string> {
  const text = initdata?.attestationAgent?.text;
  const config = text === undefined ? defaultAttestationAgentConfig : parseAttestationAgentConfig(text);
  warnOfUnknownKeys("aa.toml", config.unknownKeys, log);
  const attester = await chooseAttester(log, scope);
  await bindAttester(attester, initdata, configuration.hub.initdataBinding, log);
  const handlers = createAttestationAgent(config, {
    attester,
    devices: [],
    initData: initdata && Buffer.from(initdata.document).toString("utf8"),
    events: await openEvents(attester, config),
    timing: systemTiming,
    lifetime: scope.signal,
  });
  const registry = new MethodRegistry({ gate: localGate, log, unknownFields: "ignore" });
  registry.add(AttestationAgentService, handlers);
  return serveSocket(configuration.hub.attestationAgentSocket, registry, log, scope);
}

/** The event log, where it is switched on and the TEE has registers that vouch for it. */
async function openEvents(
  { registers }: Attester,
  { eventLog }: AttestationAgentConfig,
): Promise<EventRecorder | undefined> {
  if (!eventLog.enabled || registers === undefined) return undefined;
  return EventLogRecorder.open(registers, openEventLogFiles(), eventLog.defaultPcr);
}

/**
 * A TEE that can hold the initdata's digest must hold this one's; the sample one proves nothing, and says so.
 *
 * @param binding what counts where the platform has left the TEE's field empty
 * @throws GuestError `failed-precondition` when the VM was started with other initdata, with none, or when it hides some
 */
export async function bindAttester(
  attester: Attester,
  initdata: Pick<Initdata, "digest"> | undefined,
  binding: HubConfiguration["initdataBinding"],
  log: Log,
): Promise<void> {
  const { tee } = attester;
  if (tee === "sample") log.warn("no TEE found: evidence is of the sample kind, which proves nothing");
  if (initdata === undefined) return attester.expectNoInitData();
  const outcome = await attester.bindInitData(initdata.digest);
  log.info("initdata binding", { tee, outcome });
  if (outcome === "bound" || tee === "sample") return;
  if (binding === "required") {
    const message = `TEE ${tee} of this platform binds no initdata: podkeep.toml with hub.initdata_binding = "preferred" goes on without`;
    throw new GuestError("failed-precondition", message);
  }
  log.warn("INITDATA IS NOT BOUND: the host can exchange it, and no evidence shows that", { tee });
}

async function serveDataHub({ configuration, initdata, log, scope }: HubParts, agentSocket: string): Promise<string> {
  const config = dataHubConfigOf(initdata);
  warnOfUnknownKeys("cdh.toml", config.unknownKeys, log);
  const agentPath = config.attestationAgentSocketPath ?? agentSocket;
  const attestationAgent = createAttestationAgentClient(openClient(agentPath, scope));
  const parts = { attestationAgent, timing: systemTiming, log, lifetime: scope.signal };
  const resources = createResourceProvider(config.keyBroker, parts);
  await writeCredentialFiles(config.credentials, resources, scope.signal);
  const images = composeImagePull({
    config: config.image,
    storeDirectory: imageStoreOf(config, configuration.hub),
    hostCredentials: join(configuration.provision.directory, provisionedFiles.registryCredentials),
    resources,
    log,
    lifetime: scope.signal,
  });
  const keyServices: DataHubParts["keyServices"] = new Map();
  const { skipSealedSecretVerification } = config;
  const keys = { resources, keyServices, skipVerification: skipSealedSecretVerification };
  const volumes = openSecureMounts(configuration, keys, log, scope);
  const hub = createDataHub({
    resources,
    attestationAgent,
    images,
    volumes,
    keyServices,
    skipSealedSecretVerification,
    log,
  });
  const registry = new MethodRegistry({ gate: localGate, log, unknownFields: "ignore" });
  registry.add(GetResourceService, hub.getResource);
  registry.add(SealedSecretService, hub.sealedSecret);
  registry.add(SecureMountService, hub.secureMount);
  registry.add(ImagePullService, hub.imagePull);
  registry.add(KeyProviderService, hub.keyProvider);
  return serveSocket(config.socketPath ?? configuration.hub.dataHubSocket, registry, log, scope);
}

function openSecureMounts(
  { agent }: Configuration,
  keys: SecureMountParts["keys"],
  log: Log,
  scope: Scope,
): SecureMounts {
  const { base, cloudVolumes } = createGuestPaths({ base: agent.stateDirectory, networkNamespace: undefined });
  const volumes = createSecureMounts({
    tools: systemStorageTools,
    headerDirectory: luksHeaderDirectory(agent),
    mountRoots: [base, cloudVolumes],
    keys,
    log,
  });
  scope.add("secure volumes", () => volumes.close());
  return volumes;
}

/** Listens in the pod's network namespace, where the workload's loopback is; the hub itself stays in the VM's. */
async function serveRest(parts: HubParts, agentSocket: string, hubSocket: string): Promise<void> {
  const { configuration, log, scope } = parts;
  const { host, port } = parseEndpoint("hub.rest_listen", configuration.hub.restListen);
  const networkNamespace = configuration.agent.networkNamespace || undefined;
  const handler = createRestApi({
    features: configuration.hub.restFeatures,
    attestationAgent: openClient(agentSocket, scope),
    dataHub: openClient(hubSocket, scope),
    version: podkeepVersion,
    log,
  });
  await serveHttp({ listen: { fd: listenTcp({ host, port, networkNamespace }) }, handler, log, scope });
}

/** A client of a socket that may not be there yet, and that may go and come back. */
function openClient(path: string, scope: Scope): RpcClient {
  const client = createReconnectingClient(() => connectTtrpc({ path }));
  scope.add(`client of ${path}`, () => client.close());
  return client;
}

async function serveSocket(path: string, registry: MethodRegistry, log: Log, scope: Scope): Promise<string> {
  makeDirectories(dirname(path), 0o700);
  await servePort({ registry, listen: { fd: listenUnix(path) }, plain: true, log, scope });
  return path;
}

function warnOfUnknownKeys(file: string, keys: readonly string[], log: Log): void {
  if (keys.length > 0) log.warn("configuration has keys that mean nothing here", { file, keys });
}
