import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import type { CreateContainerRequest, CreateSandboxRequest } from "../rpc/messages/agent.ts";
import type { CallContext } from "../rpc/method.ts";
import type { KnownNamespaces } from "../runtime/conversion/namespaces.ts";
import type { StorageTable } from "../runtime/storage/storage-table.ts";
import { Cgroup } from "../sys/cgroup.ts";
import { detectCgroupHierarchy } from "../sys/cgroup-hierarchy.ts";
import { createPersistentNamespace, removePersistentNamespace, setHostname } from "../sys/namespace.ts";
import type { Container } from "./container.ts";
import { createContainer } from "./container-creation.ts";
import type { AgentDependencies } from "./dependencies.ts";
import { quotedError, unknownContainer } from "./errors.ts";
import { applyGuestDns } from "./guest-dns.ts";
import { maxContainers } from "./limits.ts";
import { OomEvents } from "./oom-events.ts";
import { bindPidNamespace } from "./pid-namespace.ts";
import { checkSandboxRequest } from "./sandbox-request.ts";
import { CloudVolumes } from "./volumes/cloud-volumes.ts";

/** What the sandbox is doing. There is one a boot. */
type SandboxState =
  | { readonly kind: "absent" }
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly id: string; readonly resources: AsyncDisposableStack }
  | { readonly kind: "destroying" }
  /** Gone for good: another pod gets another VM (threat 71). */
  | { readonly kind: "destroyed" };

/**
 * The pod: its shared namespaces, storages and containers. It belongs to no connection; a shim that reconnects finds it as it was.
 */
export class Sandbox {
  readonly storages: StorageTable;
  readonly #cloudVolumes: CloudVolumes;
  readonly oomEvents = new OomEvents();
  readonly #dependencies: AgentDependencies;
  readonly #containers = new Map<string, Container>();
  /** Ids of containers that are being made, and the end of each making, which never rejects. */
  readonly #creating = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();
  #first: Container | undefined;
  #workloadStarted = false;
  #state: SandboxState = { kind: "absent" };

  constructor(dependencies: AgentDependencies, storages: StorageTable) {
    this.#dependencies = dependencies;
    this.storages = storages;
    this.#cloudVolumes = new CloudVolumes(dependencies);
  }

  /** All containers that have been created and not removed. */
  get containers(): readonly Container[] {
    return [...this.#containers.values()];
  }

  /** True from the creation of the sandbox on, after its end, too. */
  get exists(): boolean {
    return this.#state.kind !== "absent";
  }

  /** True once a container other than the pause container has been started. */
  get workloadStarted(): boolean {
    return this.#workloadStarted;
  }

  /**
   * Makes the sandbox.
   *
   * @throws GuestError `already-exists`, without touching anything, when there is or was one (threat 35); when it fails for another
   *   reason nothing is left and it may be tried again
   */
  async create(request: CreateSandboxRequest, context: CallContext): Promise<void> {
    if (this.#state.kind !== "absent") throw quotedError("already-exists", "sandbox has been created already");
    checkSandboxRequest(request);
    this.#state = { kind: "starting" };
    try {
      const resources = await this.#setUp(request, context);
      this.#state = { kind: "running", id: request.sandbox_id, resources };
    } catch (error) {
      this.#state = { kind: "absent" };
      throw error;
    }
  }

  async #setUp(request: CreateSandboxRequest, context: CallContext): Promise<AsyncDisposableStack> {
    const { paths, settings } = this.#dependencies;
    const { ipc, uts, pid } = this.#namespaceFiles();
    await using resources = new AsyncDisposableStack();
    resources.defer(() => Cgroup.at(paths.cgroupParent).remove());
    resources.defer(() => this.#cloudVolumes.close());
    resources.defer(() => this.storages.close());
    createPersistentNamespace("ipc", ipc);
    resources.defer(() => removePersistentNamespace(ipc));
    createPersistentNamespace("uts", uts, () => {
      if (request.hostname !== "") setHostname(request.hostname);
    });
    resources.defer(() => removePersistentNamespace(uts));
    resources.defer(() => removePersistentNamespace(pid));
    const attach = { containerId: undefined, isSandboxContainer: false, signal: context.signal, log: context.log };
    await this.storages.attach(request.storages, attach);
    if (settings.guestDns === "apply") resources.defer(applyGuestDns(request.dns, settings.resolverFile, paths));
    return resources.move();
  }

  /**
   * Makes a container, see {@link createContainer}.
   *
   * @throws GuestError `already-exists`, without touching the other, when the id is taken; `failed-precondition` without a sandbox
   */
  async createContainer(request: CreateContainerRequest, context: CallContext): Promise<void> {
    if (this.#state.kind !== "running") throw new GuestError("failed-precondition", "there is no running sandbox");
    const id = request.container_id;
    if (this.#containers.has(id) || this.#creating.has(id)) {
      throw new GuestError("already-exists", `container ${id} exists already`);
    }
    if (this.#containers.size + this.#creating.size >= maxContainers) {
      throw new GuestError("resource-exhausted", "too many containers in the sandbox");
    }
    const creation = this.#create(request, context);
    const settled = creation.then(
      () => {},
      () => {},
    );
    this.#creating.set(id, settled);
    await creation.finally(() => this.#creating.delete(id));
  }

  async #create(request: CreateContainerRequest, context: CallContext): Promise<void> {
    const signal = AbortSignal.any([context.signal, this.#ending.signal]);
    const surroundings = {
      storages: this.storages,
      cloudVolumes: this.#cloudVolumes,
      namespaces: this.#knownNamespaces(request.sandbox_pidns),
    };
    const container = await createContainer(request, { ...context, signal }, surroundings, this.#dependencies);
    this.#first ??= container;
    this.#containers.set(container.id, container);
  }

  /** The container of an id. @throws GuestError `internal`; or what the caller wants thrown */
  container(id: string, error: () => GuestError = unknownContainer): Container {
    const container = this.#containers.get(id);
    if (container === undefined) throw error();
    return container;
  }

  /** Starts a container and watches its memory, unless it is the pause container. */
  async startContainer(id: string): Promise<void> {
    const container = this.container(id);
    const isPause = this.#state.kind === "running" && id === this.#state.id;
    await container.start(isPause ? undefined : () => this.oomEvents.push(id));
    if (!isPause) this.#workloadStarted = true;
  }

  /** Removes a container, see {@link Container.remove}. */
  async removeContainer(id: string, timeoutMs: number | undefined): Promise<void> {
    const container = this.container(id);
    try {
      await container.remove(timeoutMs);
    } finally {
      if (container.isRemoved && this.#containers.get(id) === container) this.#containers.delete(id);
    }
  }

  /**
   * Ends the sandbox with all that it has, for good.
   *
   * @returns why something could not be taken away, if that was so
   * @throws GuestError `internal` when there is none or it has ended already, with the reference's words
   */
  async destroy(): Promise<unknown> {
    if (this.#state.kind !== "running") throw quotedError("internal", "failed to get sandbox sender channel");
    const { resources } = this.#state;
    this.#state = { kind: "destroying" };
    this.#ending.abort(new GuestError("aborted", "the sandbox is being destroyed"));
    await Promise.all(this.#creating.values());
    const ids = [...this.#containers.keys()];
    const removals = await Promise.allSettled(ids.map((id) => this.removeContainer(id, undefined)));
    this.oomEvents.close();
    const disposal = await Promise.allSettled([resources.disposeAsync()]);
    this.#state = { kind: "destroyed" };
    return [...removals, ...disposal].find((outcome) => outcome.status === "rejected")?.reason;
  }

  /** Ends the sandbox if one runs, for when the agent itself ends. @throws why something could not be taken away */
  async close(): Promise<void> {
    if (this.#state.kind !== "running") return;
    const failure = await this.destroy();
    if (failure !== undefined) throw failure;
  }

  #namespaceFiles(): { readonly ipc: string; readonly uts: string; readonly pid: string } {
    const { namespaces } = this.#dependencies.paths;
    return {
      ipc: posix.join(namespaces, "ipc"),
      uts: posix.join(namespaces, "uts"),
      pid: posix.join(namespaces, "pid"),
    };
  }

  #knownNamespaces(sharesProcesses: boolean): KnownNamespaces {
    const { networkNamespace } = this.#dependencies.paths;
    const { ipc, uts } = this.#namespaceFiles();
    const pid = sharesProcesses ? this.#sharedPidNamespace() : undefined;
    return {
      paths: {
        ipc,
        uts,
        ...(networkNamespace === undefined ? {} : { network: networkNamespace }),
        ...(pid === undefined ? {} : { pid }),
      },
      ownCgroupNamespace: detectCgroupHierarchy().kind === "unified",
    };
  }

  /** The first container's, for the others; the first one makes it (spec/agent-rpc.md 11.3). */
  #sharedPidNamespace(): string | undefined {
    if (this.#first === undefined && this.#creating.size === 0) return undefined;
    const init = this.#first?.parts.init;
    if (init === undefined || init.exitCode !== undefined) {
      throw new GuestError("internal", "Sandbox does not have sandbox_pidns");
    }
    const { pid: file } = this.#namespaceFiles();
    bindPidNamespace(init.pid, file);
    return file;
  }
}
