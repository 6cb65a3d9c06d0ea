package agent_policy

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
