import { AgentService, type Storage } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { MessageInit, RpcClient } from "../../guest/rpc/method.ts";
import { annotationsOf, type ContainerDescription, processOf, specOf } from "./container-spec.ts";

const agent = AgentService.methods;

/** What the Go shim allows a call by default, and a CreateContainer that pulls an image. */
const callTimeoutMs = 60_000;
const pullTimeoutMs = 300_000;

/** What the Go shim asks for in one read. */
const readLength = 32 * 1024;

/** A process and its whole output. */
export interface ProcessResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Sends what the Kata shim sends for a peer pod, in its order and with its peculiarities (spec/agent-rpc.md 4.1). Demo, scenario
 * tests and benchmarks drive the agent by it.
 */
export class KataShim {
  readonly client: RpcClient;
  readonly sandboxId: string;
  readonly #stateDirectory: string;

  /** @param stateDirectory the agent's, `/run/kata-containers` in a VM */
  constructor(client: RpcClient, sandboxId: string, stateDirectory = "/run/kata-containers") {
    this.client = client;
    this.sandboxId = sandboxId;
    this.#stateDirectory = stateDirectory;
  }

  async check(): Promise<number> {
    return (await this.client.call(Health.methods.Check, { service: "" }, { timeoutMs: 30_000 })).status;
  }

  async createSandbox(): Promise<void> {
    await this.client.call(
      agent.CreateSandbox,
      {
        hostname: "demo",
        dns: ["nameserver 10.96.0.10"],
        sandbox_id: this.sandboxId,
        storages: [
          {
            driver: "ephemeral",
            source: "shm",
            fstype: "tmpfs",
            options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
            mount_point: `${this.#stateDirectory}/sandbox/shm`,
          },
        ],
      },
      { timeoutMs: pullTimeoutMs },
    );
    await this.client.call(
      agent.GetGuestDetails,
      { mem_block_size: true, mem_hotplug_probe: true },
      { timeoutMs: callTimeoutMs },
    );
  }

  /** The pod's first container, whose root comes from the image of the VM. */
  async startPause(): Promise<void> {
    const pause = {
      id: this.sandboxId,
      sandboxId: this.sandboxId,
      kind: "sandbox",
      image: "pause",
      args: ["/pause"],
    } as const;
    await this.createContainer(pause);
    await this.startContainer(this.sandboxId);
  }

  /** @param storages further ones, such as those of an emptyDir */
  async createContainer(
    container: ContainerDescription,
    storages: readonly MessageInit<Storage>[] = [],
  ): Promise<void> {
    const rootPath = `${this.#stateDirectory}/${container.id}/rootfs`;
    await this.client.call(
      agent.CreateContainer,
      {
        container_id: container.id,
        exec_id: container.id,
        storages: [
          {
            driver: "image_guest_pull",
            driver_options: [`image_guest_pull=${JSON.stringify({ metadata: annotationsOf(container) })}`],
            source: container.image,
            fstype: "overlay",
            mount_point: rootPath,
          },
          ...storages,
        ],
        OCI: specOf(container, rootPath),
      },
      { timeoutMs: pullTimeoutMs },
    );
  }

  async startContainer(id: string): Promise<void> {
    await this.client.call(agent.StartContainer, { container_id: id }, { timeoutMs: callTimeoutMs });
  }

  async exec(
    id: string,
    execId: string,
    args: readonly string[],
    options: Partial<ContainerDescription> = {},
  ): Promise<void> {
    await this.client.call(
      agent.ExecProcess,
      { container_id: id, exec_id: execId, process: processOf({ ...options, args }) },
      { timeoutMs: callTimeoutMs },
    );
  }

  /** Reads both outputs to their ends, then waits, as the Go shim does. */
  async collect(id: string, execId: string): Promise<ProcessResult> {
    const [stdout, stderr] = await Promise.all([
      this.read("ReadStdout", id, execId),
      this.read("ReadStderr", id, execId),
    ]);
    return { status: await this.wait(id, execId), stdout, stderr };
  }

  async wait(id: string, execId: string): Promise<number> {
    return (await this.client.call(agent.WaitProcess, { container_id: id, exec_id: execId })).status;
  }

  async read(stream: "ReadStdout" | "ReadStderr", id: string, execId: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    for (;;) {
      const { data } = await this.client.call(agent[stream], { container_id: id, exec_id: execId, len: readLength });
      if (data.length === 0) return Buffer.concat(chunks).toString();
      chunks.push(data);
    }
  }

  /** Ends a container: SIGKILL to all its processes, then what the shim sends after each stop. */
  async removeContainer(id: string): Promise<void> {
    await this.client.call(
      agent.SignalProcess,
      { container_id: id, exec_id: "", signal: 9 },
      { timeoutMs: callTimeoutMs },
    );
    await this.wait(id, "").catch(() => {}); // somebody else may have collected the status
    await this.client.call(agent.RemoveContainer, { container_id: id, timeout: 0 }, { timeoutMs: callTimeoutMs });
    await this.client.call(agent.RemoveStaleVirtiofsShareMounts, {}, { timeoutMs: callTimeoutMs });
  }

  async destroySandbox(): Promise<void> {
    await this.client.call(agent.DestroySandbox, {}, { timeoutMs: callTimeoutMs });
  }
}
