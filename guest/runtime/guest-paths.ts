import { posix } from "node:path";
import type { DeviceTree } from "./data-disks/disk-status.ts";

/** Where the guest keeps things. Shims know the base directory and what is below it (spec/agent-rpc.md 8.1, 11.1). */
export interface GuestPaths {
  /** Bundles are `<base>/<container id>`; `/run/kata-containers` in production. */
  readonly base: string;
  /** Files that the host copies in. The only place that CopyFile writes to. */
  readonly sharedContainers: string;
  /** Unfinished copies; on the same file system as `sharedContainers`, invisible to containers. */
  readonly uploads: string;
  /** What containers write to storages that are overlays; beside `sharedContainers` too, where there is a limit to it. */
  readonly overlays: string;
  /** tmpfs volumes, shared memory and other storages of the sandbox. */
  readonly sandboxStorage: string;
  /** Encrypted volumes of the cloud are mounted here, each in a directory of its name. */
  readonly cloudVolumes: string;
  /** Where a CSI driver that runs in the guest publishes volumes, as a kubelet names it: `<pod>/volumes/kubernetes.io~csi/…`. */
  readonly kubeletPods: string;
  /** Where data disks are looked for. */
  readonly devices: DeviceTree;
  /** The sandbox's persistent ipc and uts namespaces. */
  readonly namespaces: string;
  /** The OCI runtime's own records of containers (its option `--root`). */
  readonly runtimeState: string;
  /** Sockets by which the OCI runtime hands over terminals; short, since a socket's path has 107 bytes at most. */
  readonly consoleSockets: string;
  /** Measured directory with `config.json` and `rootfs` of the pause container. */
  readonly pauseBundle: string;
  /** cgroup below which every container gets one of its own; absolute in the cgroup tree. */
  readonly cgroupParent: string;
  /** The pod's network namespace; absent when containers share the guest's network. */
  readonly networkNamespace: string | undefined;
}

/** The paths that may differ between installations; what is absent has the reference's place. */
export interface GuestPathOptions {
  readonly base?: string | undefined;
  readonly cloudVolumes?: string | undefined;
  readonly kubeletPods?: string | undefined;
  readonly devices?: DeviceTree | undefined;
  readonly namespaces?: string | undefined;
  readonly runtimeState?: string | undefined;
  readonly consoleSockets?: string | undefined;
  readonly pauseBundle?: string | undefined;
  readonly cgroupParent?: string | undefined;
  /** `undefined` means the guest's own network. */
  readonly networkNamespace: string | undefined;
}

/** Applies the defaults. */
export function createGuestPaths(options: GuestPathOptions): GuestPaths {
  const base = options.base ?? "/run/kata-containers";
  return {
    base,
    sharedContainers: posix.join(base, "shared/containers"),
    uploads: posix.join(base, "shared/uploads"),
    overlays: posix.join(base, "shared/overlays"),
    sandboxStorage: posix.join(base, "sandbox"),
    cloudVolumes: options.cloudVolumes ?? "/run/cloud-volumes",
    kubeletPods: options.kubeletPods ?? "/var/lib/kubelet/pods",
    devices: options.devices ?? { sys: "/sys", dev: "/dev" },
    namespaces: options.namespaces ?? "/run/sandbox-ns",
    runtimeState: options.runtimeState ?? "/run/podkeep/containers",
    consoleSockets: options.consoleSockets ?? "/run/podkeep/consoles",
    pauseBundle: options.pauseBundle ?? "/pause_bundle",
    cgroupParent: options.cgroupParent ?? "/podkeep",
    networkNamespace: options.networkNamespace,
  };
}

/** The directory of a container. Its id is a plain file name; callers have checked it. */
export function bundleOf(paths: GuestPaths, containerId: string): string {
  return posix.join(paths.base, containerId);
}

/** Where a container's root file system is. */
export function rootfsOf(paths: GuestPaths, containerId: string): string {
  return posix.join(paths.base, containerId, "rootfs");
}
