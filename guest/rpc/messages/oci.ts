// Generated from proto/oci.proto by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";

/** The specification's top level. */
export interface Spec {
  readonly Version: string;
  readonly Process: Process | null;
  readonly Root: Root | null;
  readonly Hostname: string;
  readonly Mounts: readonly Mount[];
  readonly Hooks: Hooks | null;
  readonly Annotations: Readonly<Record<string, string>>;
  readonly Linux: Linux | null;
  readonly Solaris: Solaris | null;
  readonly Windows: Windows | null;
}

export const Spec: MessageSchema<Spec> = {
  fullName: "grpc.Spec",
  fields: [
    { name: "Version", number: 1, type: "string", label: "singular" },
    { name: "Process", number: 2, type: () => Process, label: "singular" },
    { name: "Root", number: 3, type: () => Root, label: "singular" },
    { name: "Hostname", number: 4, type: "string", label: "singular" },
    { name: "Mounts", number: 5, type: () => Mount, label: "repeated" },
    { name: "Hooks", number: 6, type: () => Hooks, label: "singular" },
    { name: "Annotations", number: 7, type: "string", label: "map", mapKey: "string" },
    { name: "Linux", number: 8, type: () => Linux, label: "singular" },
    { name: "Solaris", number: 9, type: () => Solaris, label: "singular" },
    { name: "Windows", number: 10, type: () => Windows, label: "singular" },
  ],
};

export interface Process {
  readonly Terminal: boolean;
  readonly ConsoleSize: Box | null;
  readonly User: User | null;
  readonly Args: readonly string[];
  readonly Env: readonly string[];
  readonly Cwd: string;
  readonly Capabilities: LinuxCapabilities | null;
  readonly Rlimits: readonly POSIXRlimit[];
  readonly NoNewPrivileges: boolean;
  readonly ApparmorProfile: string;
  readonly OOMScoreAdj: bigint;
  readonly SelinuxLabel: string;
}

export const Process: MessageSchema<Process> = {
  fullName: "grpc.Process",
  fields: [
    { name: "Terminal", number: 1, type: "bool", label: "singular" },
    { name: "ConsoleSize", number: 2, type: () => Box, label: "singular" },
    { name: "User", number: 3, type: () => User, label: "singular" },
    { name: "Args", number: 4, type: "string", label: "repeated" },
    { name: "Env", number: 5, type: "string", label: "repeated" },
    { name: "Cwd", number: 6, type: "string", label: "singular" },
    { name: "Capabilities", number: 7, type: () => LinuxCapabilities, label: "singular" },
    { name: "Rlimits", number: 8, type: () => POSIXRlimit, label: "repeated" },
    { name: "NoNewPrivileges", number: 9, type: "bool", label: "singular" },
    { name: "ApparmorProfile", number: 10, type: "string", label: "singular" },
    { name: "OOMScoreAdj", number: 11, type: "int64", label: "singular" },
    { name: "SelinuxLabel", number: 12, type: "string", label: "singular" },
  ],
};

export interface Box {
  readonly Height: number;
  readonly Width: number;
}

export const Box: MessageSchema<Box> = {
  fullName: "grpc.Box",
  fields: [
    { name: "Height", number: 1, type: "uint32", label: "singular" },
    { name: "Width", number: 2, type: "uint32", label: "singular" },
  ],
};

export interface User {
  readonly UID: number;
  readonly GID: number;
  readonly AdditionalGids: readonly number[];
  readonly Username: string;
}

export const User: MessageSchema<User> = {
  fullName: "grpc.User",
  fields: [
    { name: "UID", number: 1, type: "uint32", label: "singular" },
    { name: "GID", number: 2, type: "uint32", label: "singular" },
    { name: "AdditionalGids", number: 3, type: "uint32", label: "repeated" },
    { name: "Username", number: 4, type: "string", label: "singular" },
  ],
};

export interface LinuxCapabilities {
  readonly Bounding: readonly string[];
  readonly Effective: readonly string[];
  readonly Inheritable: readonly string[];
  readonly Permitted: readonly string[];
  readonly Ambient: readonly string[];
}

export const LinuxCapabilities: MessageSchema<LinuxCapabilities> = {
  fullName: "grpc.LinuxCapabilities",
  fields: [
    { name: "Bounding", number: 1, type: "string", label: "repeated" },
    { name: "Effective", number: 2, type: "string", label: "repeated" },
    { name: "Inheritable", number: 3, type: "string", label: "repeated" },
    { name: "Permitted", number: 4, type: "string", label: "repeated" },
    { name: "Ambient", number: 5, type: "string", label: "repeated" },
  ],
};

export interface POSIXRlimit {
  readonly Type: string;
  readonly Hard: bigint;
  readonly Soft: bigint;
}

export const POSIXRlimit: MessageSchema<POSIXRlimit> = {
  fullName: "grpc.POSIXRlimit",
  fields: [
    { name: "Type", number: 1, type: "string", label: "singular" },
    { name: "Hard", number: 2, type: "uint64", label: "singular" },
    { name: "Soft", number: 3, type: "uint64", label: "singular" },
  ],
};

export interface Mount {
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
}

export const Mount: MessageSchema<Mount> = {
  fullName: "grpc.Mount",
  fields: [
    { name: "destination", number: 1, type: "string", label: "singular" },
    { name: "source", number: 2, type: "string", label: "singular" },
    { name: "type", number: 3, type: "string", label: "singular" },
    { name: "options", number: 4, type: "string", label: "repeated" },
  ],
};

export interface Root {
  readonly Path: string;
  readonly Readonly: boolean;
}

export const Root: MessageSchema<Root> = {
  fullName: "grpc.Root",
  fields: [
    { name: "Path", number: 1, type: "string", label: "singular" },
    { name: "Readonly", number: 2, type: "bool", label: "singular" },
  ],
};

/** Programs that the runtime would run at the stages of a container's life. */
export interface Hooks {
  readonly Prestart: readonly Hook[];
  readonly Poststart: readonly Hook[];
  readonly Poststop: readonly Hook[];
  readonly CreateRuntime: readonly Hook[];
  readonly CreateContainer: readonly Hook[];
  readonly StartContainer: readonly Hook[];
}

export const Hooks: MessageSchema<Hooks> = {
  fullName: "grpc.Hooks",
  fields: [
    { name: "Prestart", number: 1, type: () => Hook, label: "repeated" },
    { name: "Poststart", number: 2, type: () => Hook, label: "repeated" },
    { name: "Poststop", number: 3, type: () => Hook, label: "repeated" },
    { name: "CreateRuntime", number: 4, type: () => Hook, label: "repeated" },
    { name: "CreateContainer", number: 5, type: () => Hook, label: "repeated" },
    { name: "StartContainer", number: 6, type: () => Hook, label: "repeated" },
  ],
};

export interface Hook {
  readonly Path: string;
  readonly Args: readonly string[];
  readonly Env: readonly string[];
  readonly Timeout: bigint;
}

export const Hook: MessageSchema<Hook> = {
  fullName: "grpc.Hook",
  fields: [
    { name: "Path", number: 1, type: "string", label: "singular" },
    { name: "Args", number: 2, type: "string", label: "repeated" },
    { name: "Env", number: 3, type: "string", label: "repeated" },
    { name: "Timeout", number: 4, type: "int64", label: "singular" },
  ],
};

export interface Linux {
  readonly UIDMappings: readonly LinuxIDMapping[];
  readonly GIDMappings: readonly LinuxIDMapping[];
  readonly Sysctl: Readonly<Record<string, string>>;
  readonly Resources: LinuxResources | null;
  readonly CgroupsPath: string;
  readonly Namespaces: readonly LinuxNamespace[];
  readonly Devices: readonly LinuxDevice[];
  readonly Seccomp: LinuxSeccomp | null;
  readonly RootfsPropagation: string;
  readonly MaskedPaths: readonly string[];
  readonly ReadonlyPaths: readonly string[];
  readonly MountLabel: string;
  readonly IntelRdt: LinuxIntelRdt | null;
}

export const Linux: MessageSchema<Linux> = {
  fullName: "grpc.Linux",
  fields: [
    { name: "UIDMappings", number: 1, type: () => LinuxIDMapping, label: "repeated" },
    { name: "GIDMappings", number: 2, type: () => LinuxIDMapping, label: "repeated" },
    { name: "Sysctl", number: 3, type: "string", label: "map", mapKey: "string" },
    { name: "Resources", number: 4, type: () => LinuxResources, label: "singular" },
    { name: "CgroupsPath", number: 5, type: "string", label: "singular" },
    { name: "Namespaces", number: 6, type: () => LinuxNamespace, label: "repeated" },
    { name: "Devices", number: 7, type: () => LinuxDevice, label: "repeated" },
    { name: "Seccomp", number: 8, type: () => LinuxSeccomp, label: "singular" },
    { name: "RootfsPropagation", number: 9, type: "string", label: "singular" },
    { name: "MaskedPaths", number: 10, type: "string", label: "repeated" },
    { name: "ReadonlyPaths", number: 11, type: "string", label: "repeated" },
    { name: "MountLabel", number: 12, type: "string", label: "singular" },
    { name: "IntelRdt", number: 13, type: () => LinuxIntelRdt, label: "singular" },
  ],
};

export interface Windows {
  readonly dummy: string;
}

export const Windows: MessageSchema<Windows> = {
  fullName: "grpc.Windows",
  fields: [{ name: "dummy", number: 1, type: "string", label: "singular" }],
};

export interface Solaris {
  readonly dummy: string;
}

export const Solaris: MessageSchema<Solaris> = {
  fullName: "grpc.Solaris",
  fields: [{ name: "dummy", number: 1, type: "string", label: "singular" }],
};

export interface LinuxIDMapping {
  readonly HostID: number;
  readonly ContainerID: number;
  readonly Size: number;
}

export const LinuxIDMapping: MessageSchema<LinuxIDMapping> = {
  fullName: "grpc.LinuxIDMapping",
  fields: [
    { name: "HostID", number: 1, type: "uint32", label: "singular" },
    { name: "ContainerID", number: 2, type: "uint32", label: "singular" },
    { name: "Size", number: 3, type: "uint32", label: "singular" },
  ],
};

export interface LinuxNamespace {
  readonly Type: string;
  readonly Path: string;
}

export const LinuxNamespace: MessageSchema<LinuxNamespace> = {
  fullName: "grpc.LinuxNamespace",
  fields: [
    { name: "Type", number: 1, type: "string", label: "singular" },
    { name: "Path", number: 2, type: "string", label: "singular" },
  ],
};

export interface LinuxDevice {
  readonly Path: string;
  readonly Type: string;
  readonly Major: bigint;
  readonly Minor: bigint;
  readonly FileMode: number;
  readonly UID: number;
  readonly GID: number;
}

export const LinuxDevice: MessageSchema<LinuxDevice> = {
  fullName: "grpc.LinuxDevice",
  fields: [
    { name: "Path", number: 1, type: "string", label: "singular" },
    { name: "Type", number: 2, type: "string", label: "singular" },
    { name: "Major", number: 3, type: "int64", label: "singular" },
    { name: "Minor", number: 4, type: "int64", label: "singular" },
    { name: "FileMode", number: 5, type: "uint32", label: "singular" },
    { name: "UID", number: 6, type: "uint32", label: "singular" },
    { name: "GID", number: 7, type: "uint32", label: "singular" },
  ],
};

export interface LinuxResources {
  readonly Devices: readonly LinuxDeviceCgroup[];
  readonly Memory: LinuxMemory | null;
  readonly CPU: LinuxCPU | null;
  readonly Pids: LinuxPids | null;
  readonly BlockIO: LinuxBlockIO | null;
  readonly HugepageLimits: readonly LinuxHugepageLimit[];
  readonly Network: LinuxNetwork | null;
}

export const LinuxResources: MessageSchema<LinuxResources> = {
  fullName: "grpc.LinuxResources",
  fields: [
    { name: "Devices", number: 1, type: () => LinuxDeviceCgroup, label: "repeated" },
    { name: "Memory", number: 2, type: () => LinuxMemory, label: "singular" },
    { name: "CPU", number: 3, type: () => LinuxCPU, label: "singular" },
    { name: "Pids", number: 4, type: () => LinuxPids, label: "singular" },
    { name: "BlockIO", number: 5, type: () => LinuxBlockIO, label: "singular" },
    { name: "HugepageLimits", number: 6, type: () => LinuxHugepageLimit, label: "repeated" },
    { name: "Network", number: 7, type: () => LinuxNetwork, label: "singular" },
  ],
};

export interface LinuxMemory {
  readonly Limit: bigint;
  readonly Reservation: bigint;
  readonly Swap: bigint;
  readonly Kernel: bigint;
  readonly KernelTCP: bigint;
  readonly Swappiness: bigint;
  readonly DisableOOMKiller: boolean;
}

export const LinuxMemory: MessageSchema<LinuxMemory> = {
  fullName: "grpc.LinuxMemory",
  fields: [
    { name: "Limit", number: 1, type: "int64", label: "singular" },
    { name: "Reservation", number: 2, type: "int64", label: "singular" },
    { name: "Swap", number: 3, type: "int64", label: "singular" },
    { name: "Kernel", number: 4, type: "int64", label: "singular" },
    { name: "KernelTCP", number: 5, type: "int64", label: "singular" },
    { name: "Swappiness", number: 6, type: "uint64", label: "singular" },
    { name: "DisableOOMKiller", number: 7, type: "bool", label: "singular" },
  ],
};

export interface LinuxCPU {
  readonly Shares: bigint;
  readonly Quota: bigint;
  readonly Period: bigint;
  readonly RealtimeRuntime: bigint;
  readonly RealtimePeriod: bigint;
  readonly Cpus: string;
  readonly Mems: string;
}

export const LinuxCPU: MessageSchema<LinuxCPU> = {
  fullName: "grpc.LinuxCPU",
  fields: [
    { name: "Shares", number: 1, type: "uint64", label: "singular" },
    { name: "Quota", number: 2, type: "int64", label: "singular" },
    { name: "Period", number: 3, type: "uint64", label: "singular" },
    { name: "RealtimeRuntime", number: 4, type: "int64", label: "singular" },
    { name: "RealtimePeriod", number: 5, type: "uint64", label: "singular" },
    { name: "Cpus", number: 6, type: "string", label: "singular" },
    { name: "Mems", number: 7, type: "string", label: "singular" },
  ],
};

export interface LinuxWeightDevice {
  readonly Major: bigint;
  readonly Minor: bigint;
  readonly Weight: number;
  readonly LeafWeight: number;
}

export const LinuxWeightDevice: MessageSchema<LinuxWeightDevice> = {
  fullName: "grpc.LinuxWeightDevice",
  fields: [
    { name: "Major", number: 1, type: "int64", label: "singular" },
    { name: "Minor", number: 2, type: "int64", label: "singular" },
    { name: "Weight", number: 3, type: "uint32", label: "singular" },
    { name: "LeafWeight", number: 4, type: "uint32", label: "singular" },
  ],
};

export interface LinuxThrottleDevice {
  readonly Major: bigint;
  readonly Minor: bigint;
  readonly Rate: bigint;
}

export const LinuxThrottleDevice: MessageSchema<LinuxThrottleDevice> = {
  fullName: "grpc.LinuxThrottleDevice",
  fields: [
    { name: "Major", number: 1, type: "int64", label: "singular" },
    { name: "Minor", number: 2, type: "int64", label: "singular" },
    { name: "Rate", number: 3, type: "uint64", label: "singular" },
  ],
};

export interface LinuxBlockIO {
  readonly Weight: number;
  readonly LeafWeight: number;
  readonly WeightDevice: readonly LinuxWeightDevice[];
  readonly ThrottleReadBpsDevice: readonly LinuxThrottleDevice[];
  readonly ThrottleWriteBpsDevice: readonly LinuxThrottleDevice[];
  readonly ThrottleReadIOPSDevice: readonly LinuxThrottleDevice[];
  readonly ThrottleWriteIOPSDevice: readonly LinuxThrottleDevice[];
}

export const LinuxBlockIO: MessageSchema<LinuxBlockIO> = {
  fullName: "grpc.LinuxBlockIO",
  fields: [
    { name: "Weight", number: 1, type: "uint32", label: "singular" },
    { name: "LeafWeight", number: 2, type: "uint32", label: "singular" },
    { name: "WeightDevice", number: 3, type: () => LinuxWeightDevice, label: "repeated" },
    { name: "ThrottleReadBpsDevice", number: 4, type: () => LinuxThrottleDevice, label: "repeated" },
    { name: "ThrottleWriteBpsDevice", number: 5, type: () => LinuxThrottleDevice, label: "repeated" },
    { name: "ThrottleReadIOPSDevice", number: 6, type: () => LinuxThrottleDevice, label: "repeated" },
    { name: "ThrottleWriteIOPSDevice", number: 7, type: () => LinuxThrottleDevice, label: "repeated" },
  ],
};

export interface LinuxPids {
  readonly Limit: bigint;
}

export const LinuxPids: MessageSchema<LinuxPids> = {
  fullName: "grpc.LinuxPids",
  fields: [{ name: "Limit", number: 1, type: "int64", label: "singular" }],
};

export interface LinuxDeviceCgroup {
  readonly Allow: boolean;
  readonly Type: string;
  readonly Major: bigint;
  readonly Minor: bigint;
  readonly Access: string;
}

export const LinuxDeviceCgroup: MessageSchema<LinuxDeviceCgroup> = {
  fullName: "grpc.LinuxDeviceCgroup",
  fields: [
    { name: "Allow", number: 1, type: "bool", label: "singular" },
    { name: "Type", number: 2, type: "string", label: "singular" },
    { name: "Major", number: 3, type: "int64", label: "singular" },
    { name: "Minor", number: 4, type: "int64", label: "singular" },
    { name: "Access", number: 5, type: "string", label: "singular" },
  ],
};

export interface LinuxNetwork {
  readonly ClassID: number;
  readonly Priorities: readonly LinuxInterfacePriority[];
}

export const LinuxNetwork: MessageSchema<LinuxNetwork> = {
  fullName: "grpc.LinuxNetwork",
  fields: [
    { name: "ClassID", number: 1, type: "uint32", label: "singular" },
    { name: "Priorities", number: 2, type: () => LinuxInterfacePriority, label: "repeated" },
  ],
};

export interface LinuxHugepageLimit {
  readonly Pagesize: string;
  readonly Limit: bigint;
}

export const LinuxHugepageLimit: MessageSchema<LinuxHugepageLimit> = {
  fullName: "grpc.LinuxHugepageLimit",
  fields: [
    { name: "Pagesize", number: 1, type: "string", label: "singular" },
    { name: "Limit", number: 2, type: "uint64", label: "singular" },
  ],
};

export interface LinuxInterfacePriority {
  readonly Name: string;
  readonly Priority: number;
}

export const LinuxInterfacePriority: MessageSchema<LinuxInterfacePriority> = {
  fullName: "grpc.LinuxInterfacePriority",
  fields: [
    { name: "Name", number: 1, type: "string", label: "singular" },
    { name: "Priority", number: 2, type: "uint32", label: "singular" },
  ],
};

export interface LinuxSeccomp {
  readonly DefaultAction: string;
  readonly Architectures: readonly string[];
  readonly Flags: readonly string[];
  readonly Syscalls: readonly LinuxSyscall[];
}

export const LinuxSeccomp: MessageSchema<LinuxSeccomp> = {
  fullName: "grpc.LinuxSeccomp",
  fields: [
    { name: "DefaultAction", number: 1, type: "string", label: "singular" },
    { name: "Architectures", number: 2, type: "string", label: "repeated" },
    { name: "Flags", number: 3, type: "string", label: "repeated" },
    { name: "Syscalls", number: 4, type: () => LinuxSyscall, label: "repeated" },
  ],
};

export interface LinuxSeccompArg {
  readonly Index: bigint;
  readonly Value: bigint;
  readonly ValueTwo: bigint;
  readonly Op: string;
}

export const LinuxSeccompArg: MessageSchema<LinuxSeccompArg> = {
  fullName: "grpc.LinuxSeccompArg",
  fields: [
    { name: "Index", number: 1, type: "uint64", label: "singular" },
    { name: "Value", number: 2, type: "uint64", label: "singular" },
    { name: "ValueTwo", number: 3, type: "uint64", label: "singular" },
    { name: "Op", number: 4, type: "string", label: "singular" },
  ],
};

/** A seccomp rule. */
export interface LinuxSyscall {
  readonly Names: readonly string[];
  readonly Action: string;
  readonly errnoret: number | null;
  readonly Args: readonly LinuxSeccompArg[];
}

export const LinuxSyscall: MessageSchema<LinuxSyscall> = {
  fullName: "grpc.LinuxSyscall",
  fields: [
    { name: "Names", number: 1, type: "string", label: "repeated" },
    { name: "Action", number: 2, type: "string", label: "singular" },
    { name: "errnoret", number: 3, type: "uint32", label: "oneof", oneof: "ErrnoRet" },
    { name: "Args", number: 4, type: () => LinuxSeccompArg, label: "repeated" },
  ],
};

export interface LinuxIntelRdt {
  readonly L3CacheSchema: string;
}

export const LinuxIntelRdt: MessageSchema<LinuxIntelRdt> = {
  fullName: "grpc.LinuxIntelRdt",
  fields: [{ name: "L3CacheSchema", number: 1, type: "string", label: "singular" }],
};
