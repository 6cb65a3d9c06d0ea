import type { Log } from "../../core/log.ts";
import type { Storage } from "../../rpc/messages/agent.ts";

/** For whom a storage is attached. */
export interface AttachContext {
  /** Absent for the storages of CreateSandbox. */
  readonly containerId: string | undefined;
  /** True for the pause container, as its annotations in the OCI spec say. */
  readonly isSandboxContainer: boolean;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Takes away what {@link StorageDriver.attach} made. */
export type Detach = () => void | Promise<void>;

/** Provides one kind of storage. */
export interface StorageDriver {
  /** The name that requests use, such as `ephemeral`. */
  readonly name: string;
  /** Volumes of the pod outlive the containers that use them: an init container leaves them to the next (scenario V8). */
  readonly lifetime: "container" | "sandbox";
  /**
   * Checks the request and makes the storage appear at its mount point. Leaves nothing behind when it fails.
   *
   * @throws GuestError `permission-denied` for a place, source or option that no host may choose (threat 42)
   */
  attach(storage: Storage, context: AttachContext): Detach | Promise<Detach>;
}
