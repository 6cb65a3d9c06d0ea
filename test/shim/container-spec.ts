import type { Process, Spec } from "../../guest/rpc/messages/oci.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";

/** The capabilities containerd gives a container that asks for nothing. */
const defaultCapabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

const standardMounts = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
];

/** What a pod's author and the container's image say of a container, as far as the shim sends it. */
export interface ContainerDescription {
  readonly id: string;
  readonly sandboxId: string;
  readonly kind: "sandbox" | "container";
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly terminal?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly mounts?: readonly { destination: string; source: string; type?: string; options?: readonly string[] }[];
  readonly memoryLimitBytes?: bigint;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Annotations that containerd puts on every container. */
export function annotationsOf(container: ContainerDescription): Readonly<Record<string, string>> {
  return {
    "io.kubernetes.cri.container-type": container.kind,
    "io.kubernetes.cri.sandbox-id": container.sandboxId,
    "io.kubernetes.cri.sandbox-name": "demo",
    "io.kubernetes.cri.sandbox-namespace": "default",
    "io.kubernetes.cri.image-name": container.image,
    ...container.annotations,
  };
}

/** The process of a container or of an exec in it. */
export function processOf(
  container: Omit<ContainerDescription, "id" | "sandboxId" | "kind" | "image">,
): MessageInit<Process> {
  return {
    Terminal: container.terminal ?? false,
    User: { UID: container.user?.uid ?? 0, GID: container.user?.gid ?? 0 },
    Args: container.args,
    Env: container.env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    Cwd: container.cwd ?? "/",
    NoNewPrivileges: container.noNewPrivileges ?? false,
  };
}

/** The OCI spec as it reaches the guest after the shim has taken out what it always takes out (spec/agent-rpc.md 11.2). */
export function specOf(container: ContainerDescription, rootPath: string): MessageInit<Spec> {
  return {
    Version: "1.1.0",
    Process: {
      ...processOf(container),
      Capabilities: {
        Bounding: defaultCapabilities,
        Effective: defaultCapabilities,
        Permitted: defaultCapabilities,
      },
    },
    Root: { Path: rootPath, Readonly: false },
    Hostname: container.kind === "sandbox" ? "demo" : "",
    Mounts: [
      ...standardMounts,
      ...(container.mounts ?? []).map((mount) => ({ type: "bind", options: ["rbind", "rprivate", "rw"], ...mount })),
    ],
    Annotations: annotationsOf(container),
    Linux: {
      Resources: {
        CPU: { Shares: 1024n },
        ...(container.memoryLimitBytes === undefined ? {} : { Memory: { Limit: container.memoryLimitBytes } }),
      },
      CgroupsPath: `/kubepods/besteffort/pod-${container.sandboxId}/${container.id}`,
      Namespaces: [
        { Type: "ipc", Path: "" },
        { Type: "uts", Path: "" },
        { Type: "mount", Path: "" },
      ],
      MaskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
      ReadonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}
