/**
 * A policy of the kind that the policy generator makes for a pod, and requests that it decides: rules in the style of
 * spec/policy-enforcement.md 11 over a data object with three containers, twenty mounts and forty environment rules each.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonInput } from "../../../guest/rego/index.ts";

const containerCount = 3;
const mountCount = 20;
const environmentCount = 40;

const rules = readFileSync(join(import.meta.dirname, "generated-rules.rego"), "utf8");

const capabilities = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP"];

function environmentRules(container: number): string[] {
  return Array.from({ length: environmentCount }, (_, index) => {
    switch (index) {
      case 0:
        return "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
      case 1:
        return "HOSTNAME=$(host-name)";
      case 2:
        return "POD_NAME=$(sandbox-name)";
      case 3:
        return "POD_IP=$(pod-ip)";
      default:
        return `SETTING_${container}_${index}=value-of-setting-${index}-for-container-${container}`;
    }
  });
}

function mounts(): { [key: string]: JsonInput }[] {
  return Array.from({ length: mountCount }, (_, index) => ({
    destination:
      index < 6
        ? (["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"][index] ?? "")
        : `/srv/volume-${index}`,
    source:
      index < 6 ? (["proc", "tmpfs", "devpts", "shm", "mqueue", "sysfs"][index] ?? "") : `$(sfprefix)volume-${index}$`,
    type_: index < 6 ? (["proc", "tmpfs", "devpts", "tmpfs", "mqueue", "sysfs"][index] ?? "") : "bind",
    options: index < 6 ? ["nosuid", "noexec"] : ["rbind", "rprivate", "rw"],
  }));
}

const namespaces = ["ipc", "uts", "mount", "pid"];
const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

function policyData(): JsonInput {
  return {
    annotation_patterns: [
      { key: "^cdi\\.k8s\\.io/vfio[0-9]+$", value: "^nvidia\\.com/gpu=[0-9]+$" },
      { key: "^io\\.katacontainers\\.pkg\\.oci\\.", value: "^[a-zA-Z0-9_./-]*$" },
    ],
    common: {
      cpath: "/run/kata-containers/shared/containers(?:/passthrough)?",
      sfprefix: "^$(cpath)/(watchable/)?$(bundle-id)-[a-z0-9]{16}-",
      ipv4_a: "((25[0-5]|(2[0-4]|1\\d|[1-9]|)\\d)\\.?\\b){4}",
      svc_name: "[A-Z0-9_\\.\\-]+",
      default_caps: capabilities.map((name) => `CAP_${name}`),
    },
    containers: Array.from({ length: containerCount }, (_, container) => ({
      OCI: {
        Version: "1.1.0",
        Process: {
          Terminal: false,
          User: { UID: 65535, GID: 65535, AdditionalGids: [65535], Username: "" },
          Args: ["/usr/bin/service", `--container=${container}`, "--listen=0.0.0.0:8080"],
          Env: environmentRules(container),
          Cwd: "/",
          Capabilities: {
            Bounding: ["$(default_caps)"],
            Effective: ["$(default_caps)"],
            Inheritable: [],
            Permitted: ["$(default_caps)"],
            Ambient: [],
          },
          NoNewPrivileges: true,
        },
        Root: { Path: "/run/kata-containers/$(bundle-id)/rootfs", Readonly: true },
        Mounts: mounts(),
        Annotations: { [containerType]: container === 0 ? "sandbox" : "container" },
        Linux: {
          Namespaces: namespaces.map((Type) => ({ Type, Path: "" })),
          MaskedPaths: maskedPaths,
          ReadonlyPaths: readonlyPaths,
        },
      },
      storages: [],
      sandbox_pidns: false,
      exec_commands: [
        ["/bin/probe", "--live"],
        ["/bin/probe", "--ready"],
      ],
      // What the generator knows of the image and the rules don't read: brings the text to its usual size.
      labels: Object.fromEntries(
        Array.from({ length: 200 }, (_, index) => [
          `label-${index}`,
          `a value of the usual length for label number ${index}`,
        ]),
      ),
    })),
    request_defaults: {
      CreateContainerRequest: {
        allow_env_regex: [
          "^HOSTNAME=[a-z0-9.-]+$",
          "^$(svc_name)_PORT_[0-9]{1,5}_TCP=tcp://$(ipv4_a):[0-9]{1,5}$",
          "^$(svc_name)_PORT_[0-9]{1,5}_TCP_PROTO=tcp$",
          "^$(svc_name)_PORT_[0-9]{1,5}_TCP_PORT=[0-9]{1,5}$",
          "^$(svc_name)_PORT_[0-9]{1,5}_TCP_ADDR=$(ipv4_a)$",
          "^$(svc_name)_SERVICE_HOST=$(ipv4_a)$",
          "^$(svc_name)_SERVICE_PORT=[0-9]{1,5}$",
          "^$(svc_name)_SERVICE_PORT_[A-Z_]+=[0-9]{1,5}$",
          "^$(svc_name)_PORT=tcp://$(ipv4_a):[0-9]{1,5}$",
          "^AZURE_CLIENT_ID=[A-Fa-f0-9-]*$",
          "^AZURE_TENANT_ID=[A-Fa-f0-9-]*$",
          "^AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/tokens/azure-identity-token$",
          "^JOB_COMPLETION_INDEX=[0-9]*$",
          "^TERM=xterm$",
        ],
      },
      CopyFileRequest: ["$(sfprefix)"],
      ExecProcessRequest: { allowed_commands: [["/bin/true"]], regex: ["^/bin/echo [a-z]+$"] },
      UpdateRoutesRequest: { forbidden_device_names: ["lo"], forbidden_source_regex: ["^127\\..*$", "^::1$"] },
      ReadStreamRequest: true,
    },
  };
}

const containerType = "io.kubernetes.cri.container-type";

/** The policy's text. */
export function generatedPolicy(): string {
  return `${rules}\npolicy_data := ${JSON.stringify(policyData(), null, 2)}\n`;
}

/** The state after the first container. */
export const stateDocument: JsonInput = {
  pstate: { sandbox_name: "web-0", namespace: "default", ["b".repeat(64)]: 1 },
};

const sharedPrefix = `/run/kata-containers/shared/containers/${"a".repeat(64)}-0123456789abcdef-`;

/** A CreateContainerRequest for the last container, with so many service variables beside its own. */
export function createContainerRequest(serviceVariables: number): { readonly [key: string]: JsonInput } {
  const container = containerCount - 1;
  const own = environmentRules(container).map((rule) =>
    rule.replace("$(host-name)", "web-0").replace("$(sandbox-name)", "web-0").replace("$(pod-ip)", "10.1.2.3"),
  );
  const service = Array.from({ length: serviceVariables }, (_, index) =>
    index % 2 === 0
      ? `BACKEND_${index}_SERVICE_HOST=10.0.${index % 250}.7`
      : `BACKEND_${index}_PORT_80_TCP=tcp://10.0.0.7:80`,
  );
  return {
    container_id: "c".repeat(64),
    exec_id: "c".repeat(64),
    string_user: null,
    devices: [],
    storages: [],
    OCI: {
      Version: "1.1.0",
      Process: {
        Terminal: false,
        ConsoleSize: null,
        User: { UID: 65535, GID: 65535, AdditionalGids: [65535], Username: "" },
        Args: ["/usr/bin/service", `--container=${container}`, "--listen=0.0.0.0:8080"],
        Env: [...own, ...service],
        Cwd: "/",
        Capabilities: {
          Bounding: capabilities.map((name) => `CAP_${name}`),
          Effective: capabilities.map((name) => `CAP_${name}`),
          Inheritable: [],
          Permitted: capabilities.map((name) => `CAP_${name}`),
          Ambient: [],
        },
        Rlimits: [],
        NoNewPrivileges: true,
        ApparmorProfile: "",
        OOMScoreAdj: 1000,
        SelinuxLabel: "",
      },
      Root: { Path: `/run/kata-containers/${"a".repeat(64)}/rootfs`, Readonly: true },
      Hostname: "",
      Mounts: mounts().map((mount) => ({
        ...mount,
        source: String(mount["source"]).replace("$(sfprefix)", sharedPrefix).replace("$", ""),
      })),
      Hooks: null,
      Annotations: {
        [containerType]: "container",
        "io.kubernetes.cri.sandbox-name": "web-0",
        "io.kubernetes.cri.sandbox-namespace": "default",
        "io.katacontainers.pkg.oci.bundle_path": "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c",
      },
      Linux: {
        UIDMappings: [],
        GIDMappings: [],
        Sysctl: {},
        Resources: {
          Devices: [],
          Memory: null,
          CPU: null,
          Pids: null,
          BlockIO: null,
          HugepageLimits: [],
          Network: null,
        },
        CgroupsPath: "kubepods-burstable.slice:cri-containerd:c",
        Namespaces: namespaces.map((Type) => ({ Type, Path: "" })),
        Devices: [],
        Seccomp: null,
        RootfsPropagation: "",
        MaskedPaths: maskedPaths,
        ReadonlyPaths: readonlyPaths,
        MountLabel: "",
        IntelRdt: null,
      },
      Solaris: null,
      Windows: null,
    },
    sandbox_pidns: false,
    shared_mounts: [],
    stdin_port: 0,
    stdout_port: 0,
    stderr_port: 0,
  };
}

/** A CopyFileRequest that is allowed. */
export const copyFileRequest: JsonInput = {
  path: `${sharedPrefix}volume-7`,
  file_type: "Regular",
  symlink_target: null,
  file_size: 4096,
  file_mode: 33188,
  dir_mode: 493,
  uid: 0,
  gid: 0,
  offset: 0,
};

/** An ExecProcessRequest that is allowed: a probe of the container. */
export const execProcessRequest: JsonInput = {
  container_id: "b".repeat(64),
  exec_id: "probe",
  string_user: null,
  process: {
    Terminal: false,
    ConsoleSize: null,
    User: { UID: 65535, GID: 65535, AdditionalGids: [], Username: "" },
    Args: ["/bin/probe", "--ready"],
    Env: environmentRules(1).slice(4),
    Cwd: "/",
    Capabilities: null,
    Rlimits: [],
    NoNewPrivileges: true,
    ApparmorProfile: "",
    OOMScoreAdj: 0,
    SelinuxLabel: "",
  },
};
