import { randomBytes } from "node:crypto";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { buildBusyboxImage } from "../registry/image-builder.ts";
import { type Registry, startRegistry } from "../registry/registry.ts";
import type { ContainerDescription } from "../shim/container-spec.ts";
import { KataShim, type ProcessResult } from "../shim/kata-shim.ts";
import { type Stack, type StackOptions, startStack } from "../stack/stack.ts";

/** A policy text that allows what its first lines don't take back. */
export function policyWith(rules: string): string {
  return `package agent_policy
import rego.v1
${allowedByDefault.map((request) => `default ${request} := true`).join("\n")}
${rules}
`;
}

const allowedByDefault = [
  "CreateSandboxRequest",
  "DestroySandboxRequest",
  "CreateContainerRequest",
  "StartContainerRequest",
  "RemoveContainerRequest",
  "RemoveStaleVirtiofsShareMountsRequest",
  "SignalProcessRequest",
  "WaitProcessRequest",
  "StatsContainerRequest",
  "GuestDetailsRequest",
  "GetDiagnosticDataRequest",
  "CopyFileRequest",
];

/** An initdata document with these entries. */
export function initdataWith(entries: Readonly<Record<string, string>>): string {
  const data = Object.entries(entries).map(([name, text]) => `"${name}" = '''\n${text}'''\n`);
  return `algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n${data.join("")}`;
}

/** cdh.toml for a broker, with the registry of {@link startPod} reachable over plain HTTP. */
export function dataHubConfig(kbsUrl: string): string {
  return `[kbc]\nname = "cc_kbc"\nurl = "${kbsUrl}"\n`;
}

/** A running stack with a sandbox, its pause container, and a registry to pull from. */
export interface Pod extends AsyncDisposable {
  readonly stack: Stack;
  readonly shim: KataShim;
  readonly registry: Registry;
  /** Reference of an image of busybox. */
  readonly image: string;
  /** Creates and starts a container. @returns its id */
  start(args: readonly string[], options?: Partial<ContainerDescription>): Promise<string>;
  /** Creates, starts, reads to the end, waits and removes a container. */
  run(args: readonly string[], options?: Partial<ContainerDescription>): Promise<ProcessResult>;
}

/** Starts what a pod needs, up to its pause container. */
export async function startPod(options: StackOptions): Promise<Pod> {
  const registry = await startRegistry();
  return openPod(await startStack(options), registry);
}

/** Makes sandbox and pause container in a running stack, and a registry's image of busybox ready for others. */
export async function openPod(stack: Stack, registry: Registry): Promise<Pod> {
  const built = buildBusyboxImage();
  registry.push("app", "1", built);
  const image = `${registry.host}/app@${built.manifest.digest}`;
  const shim = new KataShim(await stack.connect(), containerId(), stack.stateDirectory);
  await shim.createSandbox();
  await shim.startPause();
  const describe = (args: readonly string[], more: Partial<ContainerDescription>): ContainerDescription => ({
    id: containerId(),
    sandboxId: shim.sandboxId,
    kind: "container",
    image,
    args,
    ...more,
  });
  const start = async (args: readonly string[], more: Partial<ContainerDescription> = {}): Promise<string> => {
    const container = describe(args, more);
    await shim.createContainer(container);
    await shim.startContainer(container.id);
    return container.id;
  };
  return {
    stack,
    shim,
    registry,
    image,
    start,
    async run(args, more) {
      const id = await start(args, more);
      const result = await shim.collect(id, id);
      await shim.client.call(AgentService.methods.RemoveContainer, { container_id: id });
      return result;
    },
    async [Symbol.asyncDispose]() {
      await shim.client.close();
      await stack.stop();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** An id as containerd makes them. */
export function containerId(): string {
  return randomBytes(32).toString("hex");
}
