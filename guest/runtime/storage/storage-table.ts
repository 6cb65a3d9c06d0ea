import { describeFailure, GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Storage } from "../../rpc/messages/agent.ts";
import { imagePullDriverName } from "./image-pull.ts";
import type { AttachContext, Detach, StorageDriver } from "./storage-driver.ts";

interface Entry {
  /** What was asked for, to tell a second user from somebody who wants something else at the same place. */
  readonly identity: string;
  readonly driver: StorageDriver;
  readonly keepsUntilSandboxEnd: boolean;
  readonly attached: Promise<Detach>;
  references: number;
}

interface Taken {
  readonly mountPoint: string;
  readonly entry: Entry;
  /** True when this request was the first to ask for it. */
  readonly fresh: boolean;
}

/** The storages of one request. Their user either ends ({@link release}) or has never come to be ({@link undo}). */
export interface StorageUse {
  readonly mountPoints: readonly string[];
  /** Storages without users go, but for volumes of the pod. Failures are logged. Calling again does nothing. */
  release(): Promise<void>;
  /** As release, but volumes of the pod that this request has made go, too. */
  undo(): Promise<void>;
}

/**
 * All storages of the sandbox, by mount point, with their users. Volumes of the pod stay until the sandbox ends, whoever has
 * stopped using them; others go with their last user.
 */
export class StorageTable {
  readonly #drivers: ReadonlyMap<string, StorageDriver>;
  readonly #entries = new Map<string, Entry>();
  readonly #log: Log;

  constructor(drivers: readonly StorageDriver[], log: Log) {
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
    this.#log = log;
  }

  /** Names of all drivers, for GetGuestDetails. */
  get driverNames(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  /** Where storages are attached now. */
  get mountPoints(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The driver that provides what is at a mount point. */
  driverAt(mountPoint: string): string | undefined {
    return this.#entries.get(mountPoint)?.driver.name;
  }

  /**
   * Attaches storages in their order, or none of them: what a failing request has attached is taken away again.
   *
   * @throws GuestError of a driver; `internal` for an unknown driver
   */
  async attach(storages: readonly Storage[], context: AttachContext): Promise<StorageUse> {
    const taken: Taken[] = [];
    const use: StorageUse = {
      mountPoints: storages.map((storage) => storage.mount_point),
      release: () => this.#drop(taken, "release"),
      undo: () => this.#drop(taken, "undo"),
    };
    try {
      for (const storage of storages) taken.push(await this.#attachOne(storage, context));
      return use;
    } catch (error) {
      await use.undo();
      throw error;
    }
  }

  /** Takes all storages away, the last first. */
  async close(): Promise<void> {
    for (const [mountPoint, entry] of [...this.#entries].toReversed()) await this.#detach(mountPoint, entry);
  }

  async #drop(taken: Taken[], how: "release" | "undo"): Promise<void> {
    for (const { mountPoint, entry, fresh } of taken.splice(0).reverse()) {
      entry.references--;
      const unwanted = !entry.keepsUntilSandboxEnd || (how === "undo" && fresh);
      if (entry.references === 0 && unwanted) await this.#detach(mountPoint, entry);
    }
  }

  async #attachOne(storage: Storage, context: AttachContext): Promise<Taken> {
    const mountPoint = storage.mount_point;
    const { driver, driver_options, source, fstype, options } = storage;
    const identity = JSON.stringify([driver, driver_options, source, fstype, options]);
    const known = this.#entries.get(mountPoint);
    if (known !== undefined && known.identity !== identity) {
      throw new GuestError("permission-denied", "another storage is at the mount point", { fields: { mountPoint } });
    }
    const entry = known ?? this.#newEntry(storage, identity, context);
    this.#entries.set(mountPoint, entry);
    entry.references++;
    try {
      await entry.attached;
    } catch (error) {
      if (this.#entries.get(mountPoint) === entry) this.#entries.delete(mountPoint);
      throw error;
    }
    return { mountPoint, entry, fresh: known === undefined };
  }

  #newEntry(storage: Storage, identity: string, context: AttachContext): Entry {
    const driver = this.#drivers.get(storage.driver);
    if (driver === undefined) {
      throw new GuestError("internal", `Failed to find the storage handler ${storage.driver.slice(0, 64)}`);
    }
    return {
      identity,
      driver,
      keepsUntilSandboxEnd: driver.lifetime === "sandbox" || (storage.shared && driver.name !== imagePullDriverName),
      attached: Promise.resolve().then(() => driver.attach(storage, context)),
      references: 0,
    };
  }

  async #detach(mountPoint: string, entry: Entry): Promise<void> {
    if (this.#entries.get(mountPoint) === entry) this.#entries.delete(mountPoint);
    try {
      const detach = await entry.attached;
      await detach();
    } catch (error) {
      this.#log.error("storage could not be taken away", { mountPoint, error: describeFailure(error) });
    }
  }
}
