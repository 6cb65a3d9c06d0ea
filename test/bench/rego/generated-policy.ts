/**
 * A policy of the kind that the policy generator makes for a pod, and requests that it decides: rules in the style of
 * spec/policy-enforcement.md 11 over a data object with three containers, twenty mounts and forty environment rules each.
 */
import type { JsonInput } from "../../../guest/rego/index.ts";

const containerCount = 3;
const mountCount = 20;
const environmentCount = 40;

const rules = `package agent_policy

import future.keywords.every
import future.keywords.if
import future.keywords.in

default AllowRequestsFailingPolicy := false
default CopyFileRequest := false
default CreateContainerRequest := false
default CreateSandboxRequest := false
default ExecProcessRequest := false
default ReadStreamRequest := false
default RemoveContainerRequest := true
default StartContainerRequest := true
default UpdateRoutesRequest := false

sandbox_name_key := "io.kubernetes.cri.sandbox-name"
namespace_key := "io.kubernetes.cri.sandbox-namespace"
container_type_key := "io.kubernetes.cri.container-type"

CreateContainerRequest := {"allowed": true, "ops": ops} if {
    i_oci := input.OCI
    i_storages := input.storages
    print("CreateContainerRequest: container", input.container_id)
    count(input.shared_mounts) == 0
    is_null(input.string_user)
    is_null(i_oci.Hooks)
    is_null(i_oci.Linux.Seccomp)
    i_oci.Linux.MountLabel == ""
    count(i_oci.Linux.UIDMappings) == 0

    some index, p_container in policy_data.containers
    print("CreateContainerRequest: trying container", index, p_container.OCI.Process.Args)

    p_oci := p_container.OCI
    p_container.sandbox_pidns == input.sandbox_pidns
    p_oci.Version == i_oci.Version
    p_oci.Root.Readonly == i_oci.Root.Readonly

    name_op := constant_over_sandbox("sandbox_name", i_oci.Annotations[sandbox_name_key])
    namespace_op := constant_over_sandbox("namespace", i_oci.Annotations[namespace_key])
    allow_annotations(p_oci, i_oci)
    p_oci.Annotations[container_type_key] == i_oci.Annotations[container_type_key]

    bundle_id := bundle_id_of(i_oci.Root.Path)
    sandbox_name := i_oci.Annotations[sandbox_name_key]
    allow_process(p_oci.Process, i_oci.Process, sandbox_name)
    allow_linux(p_oci.Linux, i_oci.Linux)
    allow_mounts(p_oci, i_oci, bundle_id)
    allow_storages(p_container.storages, i_storages, bundle_id)

    state_op := {"op": "add", "path": concat("/", ["", "pstate", input.container_id]), "value": index}
    ops := array.concat(array.concat(name_op, namespace_op), [state_op])
    print("CreateContainerRequest: true")
}

constant_over_sandbox(key, value) := [] if {
    data["pstate"][key] == value
}

constant_over_sandbox(key, value) := [{"op": "add", "path": concat("/", ["", "pstate", key]), "value": value}] if {
    not data["pstate"][key]
}

bundle_id_of(path) := id if {
    matched := regex.find_all_string_submatch_n("^/run/kata-containers/([0-9a-f]{64}|[a-z0-9][a-z0-9.-]*)/rootfs$", path, 1)
    id := matched[0][1]
}

allow_annotations(p_oci, i_oci) if {
    every key, value in i_oci.Annotations {
        allow_annotation(p_oci, key, value)
    }
}

allow_annotation(_, key, _) if startswith(key, "io.kubernetes.cri.")

allow_annotation(p_oci, key, _) if p_oci.Annotations[key]

allow_annotation(_, key, value) if {
    some pattern in policy_data.annotation_patterns
    regex.match(pattern.key, key)
    regex.match(pattern.value, value)
}

allow_process(p_process, i_process, sandbox_name) if {
    print("allow_process:", i_process.Args)
    p_process.Terminal == i_process.Terminal
    p_process.Cwd == i_process.Cwd
    p_process.NoNewPrivileges == i_process.NoNewPrivileges
    p_process.User.UID == i_process.User.UID
    p_process.User.GID == i_process.User.GID
    {gid | some gid in p_process.User.AdditionalGids} == {gid | some gid in i_process.User.AdditionalGids}
    allow_args(p_process, i_process)
    allow_capabilities(p_process.Capabilities, i_process.Capabilities)
    every variable in i_process.Env {
        allow_variable(p_process, variable, sandbox_name)
    }
}

allow_args(p_process, i_process) if {
    count(p_process.Args) == count(i_process.Args)
    every position, argument in i_process.Args {
        allow_argument(p_process.Args[position], argument)
    }
}

allow_argument(expected, argument) if expected == argument

allow_argument(expected, argument) if replace(expected, "$$", "$") == argument

allow_capabilities(p_capabilities, i_capabilities) if {
    allow_capability_set(p_capabilities.Bounding, i_capabilities.Bounding)
    allow_capability_set(p_capabilities.Effective, i_capabilities.Effective)
    allow_capability_set(p_capabilities.Inheritable, i_capabilities.Inheritable)
    allow_capability_set(p_capabilities.Permitted, i_capabilities.Permitted)
    allow_capability_set(p_capabilities.Ambient, i_capabilities.Ambient)
}

allow_capability_set(expected, given) if {
    {normal_capability(name) | some name in expected} == {normal_capability(name) | some name in given}
}

allow_capability_set(expected, given) if {
    expected == ["$(default_caps)"]
    {normal_capability(name) | some name in policy_data.common.default_caps} == {normal_capability(name) | some name in given}
}

normal_capability(name) := trim_prefix(name, "CAP_")

allow_variable(p_process, variable, _) if {
    some expected in p_process.Env
    expected == variable
}

allow_variable(p_process, variable, sandbox_name) if {
    some expected in p_process.Env
    p_parts := split(expected, "=")
    i_parts := split(variable, "=")
    count(i_parts) == 2
    p_parts[0] == i_parts[0]
    p_parts[1] == "$(sandbox-name)"
    i_parts[1] == sandbox_name
}

allow_variable(_, variable, _) if {
    some pattern in policy_data.request_defaults.CreateContainerRequest.allow_env_regex
    regex.match(replace(replace(pattern, "$(ipv4_a)", policy_data.common.ipv4_a), "$(svc_name)", policy_data.common.svc_name), variable)
}

allow_variable(p_process, variable, _) if {
    i_parts := split(variable, "=")
    regex.match(concat("", ["^", policy_data.common.ipv4_a, "$"]), i_parts[1])
    some expected in p_process.Env
    p_parts := split(expected, "=")
    p_parts[0] == i_parts[0]
    p_parts[1] in ["$(pod-ip)", "$(host-ip)"]
}

allow_variable(p_process, variable, _) if {
    i_parts := split(variable, "=")
    count(i_parts) == 2
    some expected in p_process.Env
    p_parts := split(expected, "=")
    count(p_parts) == 2
    p_parts[0] == i_parts[0]
    some placeholder in ["$(host-name)", "$(node-name)", "$(pod-uid)"]
    contains(p_parts[1], placeholder)
}

allow_linux(p_linux, i_linux) if {
    p_namespaces := [kind | some namespace in p_linux.Namespaces; kind := namespace.Type]
    i_namespaces := [kind | some namespace in i_linux.Namespaces; namespace.Type != "network"; kind := lower(namespace.Type)]
    p_namespaces == i_namespaces
    every path in p_linux.MaskedPaths {
        path in i_linux.MaskedPaths
    }
    every path in p_linux.ReadonlyPaths {
        allow_readonly_path(path, i_linux)
    }
}

allow_readonly_path(path, i_linux) if path in i_linux.ReadonlyPaths

allow_readonly_path(path, i_linux) if path in i_linux.MaskedPaths

allow_mounts(p_oci, i_oci, bundle_id) if {
    indexes := {index |
        some i_mount in i_oci.Mounts
        some index, p_mount in p_oci.Mounts
        allow_mount(p_mount, i_mount, bundle_id)
    }
    count(indexes) == count(i_oci.Mounts)
}

allow_mount(p_mount, i_mount, _) if p_mount == i_mount

allow_mount(p_mount, i_mount, bundle_id) if {
    p_mount.destination == i_mount.destination
    p_mount.type_ == i_mount.type_
    p_mount.options == i_mount.options
    allow_mount_source(p_mount.source, i_mount.source, bundle_id)
}

allow_mount_source(pattern, source, bundle_id) if {
    with_prefix := replace(pattern, "$(sfprefix)", policy_data.common.sfprefix)
    with_path := replace(with_prefix, "$(cpath)", policy_data.common.cpath)
    regex.match(replace(with_path, "$(bundle-id)", bundle_id), source)
}

allow_storages(p_storages, i_storages, bundle_id) if {
    checked := [storage | some storage in i_storages; storage.driver != "image_guest_pull"]
    count(p_storages) == count(checked)
    every storage in checked {
        some p_storage in p_storages
        allow_storage(p_storage, storage, bundle_id)
    }
}

allow_storage(p_storage, i_storage, bundle_id) if {
    p_storage.driver == i_storage.driver
    p_storage.options == i_storage.options
    p_storage.fstype == i_storage.fstype
    regex.match(replace(p_storage.mount_point, "$(bundle-id)", bundle_id), i_storage.mount_point)
}

CopyFileRequest if {
    print("CopyFileRequest: path", input.path)
    input.file_type in ["Regular", "Directory"]
    not ".." in split(input.path, "/")
    some pattern in policy_data.request_defaults.CopyFileRequest
    with_prefix := replace(pattern, "$(sfprefix)", policy_data.common.sfprefix)
    with_path := replace(with_prefix, "$(cpath)", policy_data.common.cpath)
    regex.match(replace(with_path, "$(bundle-id)", "[a-z0-9]{64}"), input.path)
}

CopyFileRequest if {
    input.file_type == "Symlink"
    not startswith(input.symlink_target, "/")
    not ".." in split(input.symlink_target, "/")
    some pattern in policy_data.request_defaults.CopyFileRequest
    with_path := replace(replace(pattern, "$(sfprefix)", policy_data.common.sfprefix), "$(cpath)", policy_data.common.cpath)
    regex.match(concat("", [replace(with_path, "$(bundle-id)", "[a-z0-9]{64}"), "[^/]+/.+"]), input.path)
}

ExecProcessRequest if {
    print("ExecProcessRequest:", input.process.Args)
    is_null(input.string_user)
    some command in policy_data.request_defaults.ExecProcessRequest.allowed_commands
    command == input.process.Args
    allow_exec(input.container_id, input.process)
}

ExecProcessRequest if {
    is_null(input.string_user)
    index := data["pstate"][input.container_id]
    some command in policy_data.containers[index].exec_commands
    command == input.process.Args
    allow_exec(input.container_id, input.process)
}

ExecProcessRequest if {
    is_null(input.string_user)
    joined := concat(" ", input.process.Args)
    some pattern in policy_data.request_defaults.ExecProcessRequest.regex
    regex.match(pattern, joined)
    allow_exec(input.container_id, input.process)
}

allow_exec(container_id, i_process) if {
    index := data["pstate"][container_id]
    p_process := policy_data.containers[index].OCI.Process
    p_process.Cwd == i_process.Cwd
    p_process.NoNewPrivileges == i_process.NoNewPrivileges
    p_process.User.UID == i_process.User.UID
    i_process.SelinuxLabel == ""
    i_process.ApparmorProfile == ""
    is_null(i_process.Capabilities)
}

UpdateRoutesRequest if {
    every route in input.routes.Routes {
        not route.device in policy_data.request_defaults.UpdateRoutesRequest.forbidden_device_names
        every pattern in policy_data.request_defaults.UpdateRoutesRequest.forbidden_source_regex {
            not regex.match(pattern, route.source)
        }
    }
}

ReadStreamRequest if policy_data.request_defaults.ReadStreamRequest == true
`;

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
