/**
 * The parts of an OCI runtime configuration (config.json, OCI runtime specification 1.0.2) that podkeep writes. Members that
 * have no counterpart in the agent's protocol are left out on purpose: a host cannot reach them.
 */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string | undefined;
  readonly mounts: readonly OciMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: OciLinux;
}

/** `process` of config.json, and the whole of an exec's process file. */
export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number } | undefined;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids?: readonly number[] | undefined;
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities?: OciCapabilities | undefined;
  readonly rlimits?: readonly OciRlimit[] | undefined;
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number | undefined;
  readonly selinuxLabel?: string | undefined;
}

/** Capability names such as `CAP_CHOWN`, a list a set. */
export interface OciCapabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly inheritable: readonly string[];
  readonly permitted: readonly string[];
  readonly ambient: readonly string[];
}

/** A resource limit; the numbers use all 64 bits. */
export interface OciRlimit {
  readonly type: string;
  readonly hard: bigint;
  readonly soft: bigint;
}

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciLinux {
  readonly namespaces: readonly OciNamespace[];
  readonly cgroupsPath: string;
  readonly resources: OciResources;
  readonly devices: readonly OciDevice[];
  readonly uidMappings?: readonly OciIdMapping[] | undefined;
  readonly gidMappings?: readonly OciIdMapping[] | undefined;
  readonly sysctl?: Readonly<Record<string, string>> | undefined;
  readonly seccomp?: OciSeccomp | undefined;
  readonly rootfsPropagation?: string | undefined;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly mountLabel?: string | undefined;
}

export interface OciNamespace {
  readonly type: "pid" | "ipc" | "uts" | "mount" | "network" | "user" | "cgroup";
  readonly path?: string | undefined;
}

export interface OciIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface OciDevice {
  readonly path: string;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode?: number | undefined;
  readonly uid: number;
  readonly gid: number;
}

export interface OciDeviceRule {
  readonly allow: boolean;
  readonly type?: string | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly access: string;
}

/** Limits, as in config.json and as `update --resources` of the runtimes takes them. */
export interface OciResources {
  readonly devices?: readonly OciDeviceRule[] | undefined;
  readonly memory?: Readonly<Record<string, bigint | boolean>> | undefined;
  readonly cpu?: Readonly<Record<string, bigint | string>> | undefined;
  readonly pids?: { readonly limit: bigint } | undefined;
  readonly blockIO?: OciBlockIo | undefined;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: bigint }[] | undefined;
}

export interface OciBlockIo {
  readonly weight?: number | undefined;
  readonly leafWeight?: number | undefined;
  readonly weightDevice?: readonly Readonly<Record<string, bigint | number>>[] | undefined;
  readonly throttleReadBpsDevice?: readonly OciThrottle[] | undefined;
  readonly throttleWriteBpsDevice?: readonly OciThrottle[] | undefined;
  readonly throttleReadIOPSDevice?: readonly OciThrottle[] | undefined;
  readonly throttleWriteIOPSDevice?: readonly OciThrottle[] | undefined;
}

export interface OciThrottle {
  readonly major: bigint;
  readonly minor: bigint;
  readonly rate: bigint;
}

export interface OciSeccomp {
  readonly defaultAction: string;
  readonly architectures?: readonly string[] | undefined;
  readonly flags?: readonly string[] | undefined;
  readonly syscalls: readonly OciSyscallRule[];
}

export interface OciSyscallRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | undefined;
  readonly args?: readonly OciSyscallArgument[] | undefined;
}

export interface OciSyscallArgument {
  readonly index: bigint;
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: string;
}
