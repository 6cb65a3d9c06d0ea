import { afterEach } from "vitest";
import { sampleAttester } from "../../guest/attest/sample/attester.ts";
import { silentLog } from "../../guest/core/log.ts";
import {
  type AttestationAgentParts,
  createAttestationAgent,
  createAttestationAgentClient,
  createDataHub,
  createResourceProvider,
  type DataHubParts,
  parseAttestationAgentConfig,
  parseDataHubConfig,
} from "../../guest/hub/index.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AttestationAgentService } from "../../guest/rpc/messages/attestation.ts";
import {
  GetResourceService,
  ImagePullService,
  SealedSecretService,
  SecureMountService,
} from "../../guest/rpc/messages/confidential-data-hub.ts";
import { KeyProviderService } from "../../guest/rpc/messages/keyprovider.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { type EmbeddedKbs, type KbsOptions, startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { FakeTiming } from "../kbs/timing.ts";
import { createLocalClient } from "./local-client.ts";

/** A key broker, an attestation agent and a data hub, connected as in the guest but within one process. */
export interface Services {
  readonly kbs: EmbeddedKbs;
  readonly agent: RpcClient;
  readonly dataHub: RpcClient;
  readonly agentRegistry: MethodRegistry;
  readonly timing: FakeTiming;
}

/** What a test may exchange. */
export interface ServiceOptions {
  readonly kbs?: KbsOptions;
  /** Appended to aa.toml. */
  readonly agentConfig?: string;
  readonly agentParts?: Partial<AttestationAgentParts>;
  readonly hubParts?: Partial<DataHubParts>;
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Starts all of it with the sample TEE; it ends with the test. */
export async function startServices(options: ServiceOptions = {}): Promise<Services> {
  const kbs = await startKbs(options.kbs);
  const stop = new AbortController();
  closers.push(async () => {
    stop.abort();
    await kbs.close();
  });
  const timing = new FakeTiming();
  const common = { timing, lifetime: stop.signal, log: silentLog };
  const agentConfig = parseAttestationAgentConfig(
    `[token_configs.kbs]\nurl = "${kbs.url}"\n${options.agentConfig ?? ""}`,
  );
  const agentRegistry = new MethodRegistry({ gate: localGate, log: silentLog });
  agentRegistry.add(
    AttestationAgentService,
    createAttestationAgent(agentConfig, {
      attester: sampleAttester,
      devices: [],
      initData: undefined,
      events: undefined,
      ...common,
      ...options.agentParts,
    }),
  );
  const agent = createLocalClient(agentRegistry, silentLog, stop.signal);
  const attestationAgent = createAttestationAgentClient(agent);
  const { keyBroker } = parseDataHubConfig(`[kbc]\nname = "cc_kbc"\nurl = "${kbs.url}"\n`);
  const hub = createDataHub({
    resources: createResourceProvider(keyBroker, { attestationAgent, ...common }),
    attestationAgent,
    images: undefined,
    volumes: undefined,
    keyServices: new Map(),
    skipSealedSecretVerification: false,
    log: silentLog,
    ...options.hubParts,
  });
  const hubRegistry = new MethodRegistry({ gate: localGate, log: silentLog });
  hubRegistry.add(GetResourceService, hub.getResource);
  hubRegistry.add(SealedSecretService, hub.sealedSecret);
  hubRegistry.add(SecureMountService, hub.secureMount);
  hubRegistry.add(ImagePullService, hub.imagePull);
  hubRegistry.add(KeyProviderService, hub.keyProvider);
  return { kbs, agent, dataHub: createLocalClient(hubRegistry, silentLog, stop.signal), agentRegistry, timing };
}
