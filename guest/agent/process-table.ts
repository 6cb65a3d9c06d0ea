import { GuestError } from "../core/errors.ts";
import type { ContainerProcess } from "../runtime/process.ts";
import { maxProcesses, outputAfterCollectMs } from "./limits.ts";

/**
 * The processes of a container by the ids that callers use: the container's own id for the first one, exec ids for the others;
 * an empty id means the first one (spec/agent-rpc.md 2). A process leaves when its exit has been collected.
 */
export class ProcessTable {
  readonly #initId: string;
  /** A slot without process is taken by one that is being started. */
  readonly #slots = new Map<string, ContainerProcess | undefined>();
  /** Collected, with output that a reader may still want. */
  readonly #unread = new Map<string, { readonly process: ContainerProcess; readonly timer: NodeJS.Timeout }>();

  /** @param initId the container's id; @param init its first process */
  constructor(initId: string, init: ContainerProcess) {
    this.#initId = initId;
    this.#slots.set(initId, init);
  }

  /** The first process, until its exit has been collected. */
  get init(): ContainerProcess | undefined {
    return this.#slots.get(this.#initId);
  }

  /** All processes that are there. */
  get processes(): readonly ContainerProcess[] {
    return [...this.#slots.values()].filter((process) => process !== undefined);
  }

  /**
   * Takes an id, starts a process under it, and gives the id back when that fails.
   *
   * @throws GuestError `internal` when the id is taken, `resource-exhausted` when there are too many; what `start` throws
   */
  async add(id: string, start: () => Promise<ContainerProcess>): Promise<void> {
    if (this.#slots.has(id)) throw new GuestError("internal", `exec_id '${id}' already exists`);
    if (this.#slots.size >= maxProcesses)
      throw new GuestError("resource-exhausted", "too many processes in the container");
    this.#slots.set(id, undefined);
    try {
      const process = await start();
      this.#forgetUnread(id);
      this.#slots.set(id, process);
    } catch (error) {
      this.#slots.delete(id);
      throw error;
    }
  }

  /** @throws GuestError `not-found` with the reference's words (spec/agent-rpc.md 3) */
  find(execId: string): ContainerProcess {
    const process = this.#slots.get(this.#keyOf(execId));
    if (process === undefined) throw notFound(execId);
    return process;
  }

  /** As {@link find}, but also finds a collected process whose output was not read to the end. */
  findReadable(execId: string): ContainerProcess {
    const key = this.#keyOf(execId);
    const process = this.#slots.get(key) ?? this.#unread.get(key)?.process;
    if (process === undefined) throw notFound(execId);
    return process;
  }

  /** Forgets an ended process. Calling again for the same does nothing. */
  collect(execId: string, process: ContainerProcess): void {
    const key = this.#keyOf(execId);
    if (this.#slots.get(key) !== process) return;
    this.#slots.delete(key);
    if (process.streams.outputEnded) {
      process.streams.close();
      return;
    }
    const timer = setTimeout(() => this.#forgetUnread(key), outputAfterCollectMs);
    timer.unref();
    this.#unread.set(key, { process, timer });
  }

  /** Forgets all processes and lets go of their streams. */
  clear(): void {
    for (const process of this.processes) process.streams.close();
    this.#slots.clear();
    for (const key of [...this.#unread.keys()]) this.#forgetUnread(key);
  }

  #keyOf(execId: string): string {
    return execId === "" ? this.#initId : execId;
  }

  #forgetUnread(key: string): void {
    const unread = this.#unread.get(key);
    if (unread === undefined) return;
    clearTimeout(unread.timer);
    unread.process.streams.close();
    this.#unread.delete(key);
  }
}

function notFound(execId: string): GuestError {
  return new GuestError("not-found", execId === "" ? "InitProcessNotFound" : "InvalidExecId");
}
