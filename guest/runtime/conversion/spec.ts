import type { Hooks, Linux, LinuxIDMapping, Spec } from "../../rpc/messages/oci.ts";
import { maxListEntries } from "../limits.ts";
import type { OciIdMapping, OciLinux, OciMount, OciProcess, OciSpec } from "../oci-spec.ts";
import { convertDevices, type FindGuestDevice } from "./devices.ts";
import { type ContainerMount, convertMounts } from "./mounts.ts";
import { convertNamespaces, type KnownNamespaces } from "./namespaces.ts";
import { convertProcess } from "./process.ts";
import { convertResources } from "./resources.ts";
import { convertSeccomp } from "./seccomp.ts";
import { invalidSpec, refusedSpec } from "./spec-error.ts";
import { convertSysctl } from "./sysctl.ts";

/** What the guest, not the host, decides about a container. */
export interface ContainerEnvironment {
  /** Absolute path of the container's root file system. */
  readonly rootfs: string;
  /** Absolute cgroup path below the pod's; the host's own wish is not looked at (threat 45). */
  readonly cgroupPath: string;
  readonly namespaces: KnownNamespaces;
  readonly findGuestDevice: FindGuestDevice;
  /** The process of the pause bundle, which takes the place of the request's in the sandbox container. */
  readonly pauseProcess?: OciProcess | undefined;
}

/** A checked container: everything of config.json but its mounts, whose sources have yet to be opened. */
export interface ConvertedSpec {
  readonly mounts: readonly ContainerMount[];
  readonly withMounts: (mounts: readonly OciMount[]) => OciSpec;
}

/**
 * Converts and checks the protocol's container (spec/agent-rpc.md 11.5, 11.7). Pure: touches nothing.
 *
 * Annotations are not handed on, since crun and runc obey some of them and the host chooses them (threat 22).
 *
 * @throws GuestError `internal` for a malformed spec, `permission-denied` for what no container may have
 */
export function convertSpec(spec: Spec, environment: ContainerEnvironment): ConvertedSpec {
  refuseHooks(spec.Hooks);
  if (spec.Solaris !== null || spec.Windows !== null) throw refusedSpec("spec has members of other systems");
  if (spec.Process === null) throw invalidSpec("Spec does not contain a process");
  if (spec.Root === null) throw invalidSpec("EINVAL: Invalid argument");
  if (spec.Linux === null) throw invalidSpec("Spec does not contain linux field");
  const process = convertProcess(spec.Process);
  const linux = convertLinux(spec.Linux, environment);
  const base = {
    ociVersion: "1.0.2",
    process: environment.pauseProcess ?? process,
    root: { path: environment.rootfs, readonly: spec.Root.Readonly },
    hostname: hostnameOf(spec, environment),
    annotations: {},
    linux,
  };
  return { mounts: convertMounts(spec.Mounts), withMounts: (mounts) => ({ ...base, mounts }) };
}

/** Hooks run as root of the guest, outside any container: never, whatever the policy says (threat 33). */
function refuseHooks(hooks: Hooks | null): void {
  if (hooks !== null && Object.values(hooks).some((list) => Array.isArray(list) && list.length > 0)) {
    throw refusedSpec("OCI hooks are not allowed");
  }
}

/** The sandbox's own name rules when its namespace is shared (spec/agent-rpc.md 11.3). */
function hostnameOf(spec: Spec, { namespaces }: ContainerEnvironment): string | undefined {
  if (spec.Hostname === "" || namespaces.paths.uts !== undefined) return undefined;
  return spec.Hostname;
}

function convertLinux(linux: Linux, environment: ContainerEnvironment): OciLinux {
  const namespaces = convertNamespaces(linux.Namespaces, environment.namespaces);
  const devices = convertDevices(linux.Devices, environment.findGuestDevice);
  return {
    namespaces,
    cgroupsPath: environment.cgroupPath,
    resources: { ...convertResources(linux.Resources), devices: devices.rules },
    devices: devices.nodes,
    uidMappings: convertMappings(linux.UIDMappings),
    gidMappings: convertMappings(linux.GIDMappings),
    sysctl: convertSysctl(linux.Sysctl, namespaces),
    seccomp: linux.Seccomp === null ? undefined : convertSeccomp(linux.Seccomp),
    rootfsPropagation: convertPropagation(linux.RootfsPropagation),
    maskedPaths: requirePathList(linux.MaskedPaths),
    readonlyPaths: requirePathList(linux.ReadonlyPaths),
    mountLabel: linux.MountLabel === "" ? undefined : linux.MountLabel,
  };
}

function convertMappings(mappings: readonly LinuxIDMapping[]): readonly OciIdMapping[] | undefined {
  if (mappings.length === 0) return undefined;
  return mappings.map((mapping) => ({ containerID: mapping.ContainerID, hostID: mapping.HostID, size: mapping.Size }));
}

function convertPropagation(propagation: string): string | undefined {
  if (propagation === "") return undefined;
  if (!["private", "rprivate", "slave", "rslave"].includes(propagation)) {
    throw refusedSpec("root file system would propagate mounts into the guest", { propagation });
  }
  return propagation;
}

function requirePathList(paths: readonly string[]): readonly string[] {
  if (paths.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} masked or read-only paths`);
  if (paths.some((path) => path.includes("\0"))) throw invalidSpec("a masked or read-only path has a zero byte");
  return paths;
}
