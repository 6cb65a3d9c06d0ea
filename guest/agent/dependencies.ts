import type { Log } from "../core/log.ts";
import type { ARPNeighbor, Interface, Route } from "../rpc/messages/types.ts";
import type { MessageInit } from "../rpc/method.ts";
import type { GuestPaths } from "../runtime/guest-paths.ts";
import type { ImagePuller } from "../runtime/image-puller.ts";
import type { OciRuntime } from "../runtime/oci-runtime.ts";
import type { ChildReaper } from "../sys/child-reaper.ts";

/** Opens sealed secrets. Fulfilled by the data hub (spec/agent-rpc.md 12). */
export interface Unsealer {
  /**
   * @param secret the text from `sealed.` on
   * @returns the plaintext, owned by the caller
   * @throws GuestError when it cannot be opened
   */
  unsealSecret(secret: string, signal: AbortSignal): Promise<Uint8Array>;
}

/** A disk with a LUKS2 header and an ext4 file system, and where it is to appear. */
export interface EncryptedDisk {
  /** Path of its device node. */
  readonly device: string;
  /** Name below /dev/mapper. */
  readonly mapping: string;
  /** `kbs:///repository/type/tag` */
  readonly keyUri: string;
  /** A directory of ours that exists. */
  readonly mountPoint: string;
}

/** Opens and closes encrypted disks. Fulfilled by the data hub (spec/secure-mount.md), which alone sees the key. */
export interface EncryptedDisks {
  /**
   * Opens the disk and mounts its file system. Bounded in time; can't be called off, since nobody could tell what was done by then.
   *
   * @throws GuestError when it can't be opened; something may have stayed open or mounted then
   */
  mount(disk: EncryptedDisk): Promise<void>;
  /** Closes a mapping whose file system is mounted no more; does nothing when it is not there. @throws GuestError */
  close(mapping: string): Promise<void>;
}

/** The pod's network, with the guards of threats 65 and 66. Failures are GuestErrors that say what the kernel refused. */
export interface PodNetwork {
  listInterfaces(): Promise<readonly MessageInit<Interface>[]>;
  updateInterface(request: Interface): Promise<void>;
  listRoutes(): Promise<readonly MessageInit<Route>[]>;
  updateRoutes(routes: readonly Route[]): Promise<void>;
  addNeighbors(neighbors: readonly ARPNeighbor[]): Promise<void>;
}

/** Replaces the policy. */
export interface PolicyControl {
  /** @throws GuestError when the text is no policy; the old one stays in force then */
  setPolicy(policy: string): void | Promise<void>;
}

/** What the measured configuration of the guest decides, never the host. */
export interface AgentSettings {
  /** What becomes of the resolver lines in CreateSandbox: pod VMs have a resolver of their own and ignore them. */
  readonly guestDns: "ignore" | "apply";
  /** The resolver file of the guest, for `guestDns: "apply"`. */
  readonly resolverFile: string;
  /** Paths of device nodes in the guest that containers may have, such as `/dev/fuse`. */
  readonly allowedDevices: readonly string[];
  /** Most bytes of files that the host may have copied in. */
  readonly copyQuotaBytes: number;
  /** Refuses CopyFile once a workload container has started (threat 55); updates of ConfigMaps stop arriving then. */
  readonly freezeFilesAfterStart: boolean;
  /** Fails a container whose sealed variables cannot be opened; else they stay sealed, as in the reference. */
  readonly strictUnsealing: boolean;
  readonly imagePullTimeoutMs: number;
  /** How long a disk of the cloud, and a volume of a CSI driver in the guest, may take to appear. */
  readonly dataDiskTimeoutMs: number;
  readonly csiTargetTimeoutMs: number;
  /** Bytes that a container's pipes hold; the kernel's 64 KiB when undefined. */
  readonly pipeSizeBytes: number | undefined;
}

/** Everything that the agent is made of. */
export interface AgentDependencies {
  readonly paths: GuestPaths;
  readonly settings: AgentSettings;
  readonly runtime: OciRuntime;
  readonly reaper: ChildReaper;
  readonly imagePuller: ImagePuller;
  /** Absent: sealed secrets stay sealed. */
  readonly unsealer: Unsealer | undefined;
  /** Absent: containers with volumes of the cloud are refused. */
  readonly encryptedDisks: EncryptedDisks | undefined;
  /** Absent: the network methods answer UNIMPLEMENTED, which shims tolerate. */
  readonly network: PodNetwork | undefined;
  /** Absent: SetPolicy answers UNIMPLEMENTED. */
  readonly policy: PolicyControl | undefined;
  readonly log: Log;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Called once, after the answer to DestroySandbox. */
  readonly onDestroyed: () => void;
}
