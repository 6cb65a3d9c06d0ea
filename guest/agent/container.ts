import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../core/errors.ts";
import type { Mount } from "../rpc/messages/oci.ts";
import { killTimeoutMs } from "../runtime/limits.ts";
import { Mutex } from "../runtime/mutex.ts";
import type { OciRuntime } from "../runtime/oci-runtime.ts";
import type { OciProcess, OciResources } from "../runtime/oci-spec.ts";
import type { ContainerProcess } from "../runtime/process.ts";
import type { Cgroup } from "../sys/cgroup.ts";
import { type OomWatch, watchOom } from "../sys/oom-watch.ts";
import { ProcessTable } from "./process-table.ts";

/** What a container is doing, in the reference's words. */
export type ContainerState =
  /** Set up; its program waits for StartContainer. */
  | "Created"
  | "Running"
  /** All its processes stand still. */
  | "Paused"
  /** Its first process has ended; it keeps its id until it is removed. */
  | "Stopped";

/** What a container is made of once the OCI runtime has created it. */
export interface ContainerParts {
  readonly id: string;
  readonly bundle: string;
  readonly runtime: OciRuntime;
  readonly cgroup: Cgroup;
  readonly init: ContainerProcess;
  /** The process as it was created: what an exec inherits. */
  readonly process: OciProcess;
  /** The host's mounts and annotations, as the policy has seen them. */
  readonly mounts: readonly Mount[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Takes away everything that the container has in the guest. */
  readonly resources: AsyncDisposableStack;
}

/**
 * A container from its creation to its removal. What changes its state runs one after the other; reading streams and waiting
 * for processes hinder nobody.
 */
export class Container {
  readonly parts: ContainerParts;
  readonly processes: ProcessTable;
  readonly #changes = new Mutex();
  #started = false;
  #paused = false;
  #oomWatch: OomWatch | undefined;

  constructor(parts: ContainerParts) {
    this.parts = parts;
    this.processes = new ProcessTable(parts.id, parts.init);
    // The kernel's notice may come later than the exit that it explains.
    void parts.init.exited.then(() => this.#oomWatch?.look());
  }

  get id(): string {
    return this.parts.id;
  }

  get state(): ContainerState {
    if (this.parts.init.exitCode !== undefined) return "Stopped";
    if (this.#paused) return "Paused";
    return this.#started ? "Running" : "Created";
  }

  /** True once its resources have been taken away, completely or not. */
  get isRemoved(): boolean {
    return this.parts.resources.disposed;
  }

  /**
   * Lets the program start.
   *
   * @param onOom called once when the kernel kills a process for lack of memory; absent for the pause container
   * @throws GuestError `failed-precondition` when it has been started before
   */
  start(onOom: (() => void) | undefined): Promise<void> {
    return this.#changes.run(async () => {
      if (this.state !== "Created") {
        throw new GuestError("failed-precondition", `failed to start container: current status is: ${this.state}`);
      }
      const { init, runtime, bundle } = this.parts;
      const waiting = init.program;
      await runtime.start(this.id, bundle);
      this.#started = true;
      await init.programReplaced(waiting);
      // The watch begins with a look at what has happened already.
      if (onOom !== undefined) this.#oomWatch = watchOom(this.parts.cgroup, onOom);
    });
  }

  /** Starts a further process. @throws what `start` throws, see `ProcessTable.add` */
  exec(execId: string, start: () => Promise<ContainerProcess>): Promise<void> {
    return this.#changes.run(() => this.processes.add(execId, start));
  }

  /** Applies limits. */
  update(resources: OciResources): Promise<void> {
    return this.#changes.run(() => this.parts.runtime.update(this.id, this.parts.bundle, resources));
  }

  /** Stops all processes where they are. @throws GuestError `internal` unless it is Created or Running */
  pause(): Promise<void> {
    return this.#changes.run(async () => {
      if (this.state !== "Created" && this.state !== "Running") {
        throw new GuestError("internal", `failed to pause container: current status is: ${this.state}`);
      }
      await this.parts.runtime.pause(this.id, this.parts.bundle);
      this.#paused = true;
    });
  }

  /** Lets them go on. @throws GuestError `internal` unless it is Paused */
  resume(): Promise<void> {
    return this.#changes.run(async () => {
      if (this.state !== "Paused") {
        throw new GuestError("internal", `container status is: ${this.state}, not paused`);
      }
      await this.parts.runtime.resume(this.id, this.parts.bundle);
      this.#paused = false;
    });
  }

  /** Kills all processes, paused ones, too. */
  async killAll(): Promise<void> {
    if (this.parts.cgroup.exists()) await this.parts.cgroup.killAll();
  }

  /**
   * Kills everything, answers whoever waits for an exit, and takes away all that the container has in the guest.
   *
   * @param timeoutMs how long killed processes may take to be gone
   * @throws GuestError `internal` `ETIME: Timer expired` when they take longer; nothing has been taken away then
   */
  remove(timeoutMs: number = killTimeoutMs): Promise<void> {
    return this.#changes.run(async () => {
      await this.killAll();
      await this.#awaitEnd(timeoutMs);
      this.#oomWatch?.close();
      this.processes.clear();
      try {
        await this.parts.resources.disposeAsync();
      } catch (error) {
        throw new GuestError("internal", "the container could not be removed completely", { cause: error });
      }
    });
  }

  async #awaitEnd(timeoutMs: number): Promise<void> {
    const ended = Promise.all([this.parts.init, ...this.processes.processes].map((process) => process.exited));
    const timer = new AbortController();
    const expired = delay(timeoutMs, "expired" as const, { signal: timer.signal }).catch(() => "ended" as const);
    const first = await Promise.race([ended, expired]);
    timer.abort();
    if (first === "expired") throw new GuestError("internal", "ETIME: Timer expired");
  }
}
