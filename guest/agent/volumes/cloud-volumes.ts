import { isDeepStrictEqual } from "node:util";
import { describeFailure, GuestError } from "../../core/errors.ts";
import { orAborted } from "../../core/or-aborted.ts";
import { findDataDisk, hasLuks2Header } from "../../runtime/data-disks/data-disk.ts";
import { Directory } from "../../sys/directory.ts";
import { isMountPoint, unmount } from "../../sys/mount.ts";
import { isErrno } from "../../sys/system-error.ts";
import type { AgentDependencies, EncryptedDisks } from "../dependencies.ts";
import { refusal } from "../errors.ts";
import type { CloudVolume } from "./cloud-volume-annotation.ts";
import { placeOf } from "./volume-plan.ts";

interface Entry {
  readonly volume: CloudVolume;
  readonly mounted: Promise<void>;
  /** Ends the mounting. Callers can't: others may have joined the one who asked first. */
  readonly unwanted: AbortController;
  /** Containers that have it, or had it: it stays for those that come after them. */
  users: number;
}

/** The cloud volumes of a container that is being made. */
export interface CloudVolumeUse {
  /** For a container that has not come to be: what nobody else uses goes, the last first. Calling again does nothing. */
  undo(): Promise<void>;
}

/**
 * The pod's encrypted disks (spec/forwarder.md 5, spec/secure-mount.md 5.2). Each is opened for the first container that needs it and
 * stays until the sandbox ends, so that a container that is started anew finds its data.
 */
export class CloudVolumes {
  readonly #dependencies: AgentDependencies;
  readonly #entries = new Map<string, Entry>();

  constructor(dependencies: AgentDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Mounts volumes, or joins those that are mounted; all of them or none.
   *
   * @throws GuestError `permission-denied` when a name means another volume than before, or a disk has no LUKS2 header;
   *   `unimplemented` when nobody can open disks; of {@link findDataDisk} and the hub; the signal's reason
   */
  async use(volumes: readonly CloudVolume[], signal: AbortSignal): Promise<CloudVolumeUse> {
    const taken: Entry[] = [];
    const use: CloudVolumeUse = { undo: () => this.#undo(taken) };
    try {
      for (const volume of volumes) {
        signal.throwIfAborted();
        const entry = this.#entry(volume);
        entry.users++;
        taken.push(entry);
        await orAborted(entry.mounted, signal);
      }
      return use;
    } catch (error) {
      await use.undo();
      throw error;
    }
  }

  /** Takes all volumes away, the last first. Failures are logged: the VM, and with it the keys, goes anyway. */
  async close(): Promise<void> {
    for (const entry of [...this.#entries.values()].reverse()) await this.#remove(entry);
  }

  #entry(volume: CloudVolume): Entry {
    const known = this.#entries.get(volume.name);
    if (known !== undefined && !isSameVolume(known.volume, volume)) {
      throw refusal(`cloud volume ${volume.name} is another one in another container`);
    }
    const entry = known ?? this.#newEntry(volume);
    this.#entries.set(volume.name, entry);
    return entry;
  }

  #newEntry(volume: CloudVolume): Entry {
    const unwanted = new AbortController();
    return { volume, unwanted, mounted: this.#mount(volume, unwanted.signal), users: 0 };
  }

  async #undo(taken: Entry[]): Promise<void> {
    for (const entry of taken.splice(0).reverse()) {
      entry.users--;
      if (entry.users === 0) await this.#remove(entry);
    }
  }

  /** A volume that could not be mounted has been taken back already. */
  async #remove(entry: Entry): Promise<void> {
    const { log } = this.#dependencies;
    const { volume } = entry;
    // Who asks for it from now on mounts it anew, once the disk is free.
    if (this.#entries.get(volume.name) === entry) this.#entries.delete(volume.name);
    entry.unwanted.abort(new GuestError("aborted", "nobody wants the cloud volume any more"));
    try {
      if (await isFulfilled(entry.mounted)) await this.#takeBack(volume, this.#disks());
    } catch (error) {
      log.error("cloud volume could not be taken away", { volume: volume.name, error: describeFailure(error) });
    }
  }

  async #mount(volume: CloudVolume, signal: AbortSignal): Promise<void> {
    const { paths, settings, log } = this.#dependencies;
    const disks = this.#disks();
    const search = { tree: paths.devices, timeoutMs: settings.dataDiskTimeoutMs, signal };
    const { path: device } = await findDataDisk(volume.disk, search);
    if (!hasLuks2Header(device)) {
      throw refusal(`cloud volume ${volume.name} has no LUKS2 header, and disks are never formatted here`, { device });
    }
    const mountPoint = this.#makePlace(volume);
    try {
      await disks.mount({ device, mapping: mappingOf(volume), keyUri: volume.keyUri, mountPoint });
      signal.throwIfAborted();
      if (!isMountPoint(mountPoint)) throw new GuestError("internal", "the cloud volume has not been mounted");
      giveToGroup(volume, mountPoint);
    } catch (error) {
      await this.#takeBack(volume, disks).catch((failure: unknown) => {
        log.error("cloud volume could not be taken back", { volume: volume.name, error: describeFailure(failure) });
      });
      throw error;
    }
    log.info("cloud volume is mounted", { volume: volume.name, device });
  }

  #makePlace(volume: CloudVolume): string {
    const place = placeOf(volume, this.#dependencies.paths);
    if (isMountPoint(place))
      throw new GuestError("failed-precondition", "something is mounted at the cloud volume's place");
    using places = Directory.open(this.#dependencies.paths.cloudVolumes);
    places.makeDirectories(volume.name, 0o755);
    return place;
  }

  async #takeBack(volume: CloudVolume, disks: EncryptedDisks): Promise<void> {
    const { paths } = this.#dependencies;
    const place = placeOf(volume, paths);
    if (isMountPoint(place)) unmountOrDetach(place);
    await disks.close(mappingOf(volume));
    using places = Directory.open(paths.cloudVolumes);
    if (places.statusIfPresent(volume.name) !== undefined) places.removeDirectory(volume.name);
  }

  #disks(): EncryptedDisks {
    const { encryptedDisks } = this.#dependencies;
    if (encryptedDisks === undefined) throw new GuestError("unimplemented", "cloud volumes are not supported");
    return encryptedDisks;
  }
}

/** Containers may have it at different places. */
function isSameVolume(one: CloudVolume, other: CloudVolume): boolean {
  return isDeepStrictEqual({ ...one, mountPoint: "" }, { ...other, mountPoint: "" });
}

function mappingOf({ name }: CloudVolume): string {
  return `caa-${name}`;
}

/** New files get the group, too. */
function giveToGroup({ groupId }: CloudVolume, mountPoint: string): void {
  if (groupId === undefined) return;
  using root = Directory.open(mountPoint);
  root.changeOwnerAndMode(root.status().uid, groupId, 0o2775);
}

/** At once, which also writes everything out. Somebody who still holds it keeps its mapping open, not its place. */
function unmountOrDetach(place: string): void {
  try {
    unmount(place);
  } catch (error) {
    if (!isErrno(error, "EBUSY")) throw error;
    unmount(place, { lazy: true });
  }
}

function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  );
}
