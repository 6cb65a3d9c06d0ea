# Runs exactly the containers of a list: each with its image, arguments and variables, at most one of each at a time, and none
# before those above it have been started. An init container has to be gone before the next one comes.
#
# What is in `mounts` must be there, and be an emptyDir: its content comes from containers. What is in `copies` may be there, a
# ConfigMap or Secret: its content is the host's. No other mounts pass, since any could change what the container runs.
#
# To adapt: write the pod's containers below in the order of its YAML, init containers first, and what the image itself sets into
# `env`; with CRI-O the name is in `io.kubernetes.container.name`. A policy does not see exit codes: a workload has to look for
# what its init container was to leave, and fail without it.
package agent_policy

import rego.v1

containers := [
	{
		"name": "unlock",
		"init": true,
		"image": "quay.io/example/unlock@sha256:0000000000000000000000000000000000000000000000000000000000000000",
		"args": ["/unlock", "/keys"],
		"env": {"PATH=/usr/bin:/bin", "KEY=sealed.fake.example.value"},
		"mounts": {"/keys"},
		"copies": set(),
	},
	{
		"name": "guard",
		"init": false,
		"image": "quay.io/example/guard@sha256:1111111111111111111111111111111111111111111111111111111111111111",
		"args": ["/guard"],
		"env": {"PATH=/usr/bin:/bin"},
		"mounts": set(),
		"copies": set(),
	},
	{
		"name": "web",
		"init": false,
		"image": "quay.io/example/web@sha256:2222222222222222222222222222222222222222222222222222222222222222",
		"args": ["/web", "--port", "8080"],
		"env": {"PATH=/usr/bin:/bin"},
		"mounts": {"/keys"},
		"copies": {"/etc/web"},
	},
]

# How variables begin that Kubernetes adds. Their values are the host's, so a workload must not trust them.
free_variables := {"HOSTNAME=", "KUBERNETES_"}

# What stops a container; add the STOPSIGNAL of your images. Others (SIGUSR1) can mean anything to a program.
allowed_signals := {9, 15}

default CreateContainerRequest := false

CreateContainerRequest := remember("pause") if {
	input.OCI.Annotations["io.kubernetes.cri.container-type"] == "sandbox"
	only_pull.source == "pause"
	every mount in input.OCI.Mounts {
		given_to_all(mount)
	}
	untouched
	not alive("pause")
}

CreateContainerRequest := remember(container.name) if {
	some position, container in containers
	container.name == input.OCI.Annotations["io.kubernetes.cri.container-name"]
	only_pull.source == container.image
	input.OCI.Process.Args == container.args
	every variable in container.env {
		variable in input.OCI.Process.Env
	}
	every variable in input.OCI.Process.Env {
		expected(variable, container)
	}
	every destination in container.mounts {
		some mount in input.OCI.Mounts
		mount.destination == destination
	}
	every mount in input.OCI.Mounts {
		allowed_mount(mount, container)
	}
	untouched
	not alive(container.name)
	every earlier in array.slice(containers, 0, position) {
		done(earlier)
	}
}

expected(variable, container) if variable in container.env

expected(variable, _) if {
	some beginning in free_variables
	startswith(variable, beginning)
}

allowed_mount(mount, _) if given_to_all(mount)

allowed_mount(mount, container) if {
	mount.destination in container.copies
	copied(mount.source)
}

allowed_mount(mount, container) if {
	mount.destination in container.mounts
	some storage in input.storages
	storage.mount_point == mount.source
	empty_at_first(storage)
}

# The source of a mount that the kernel fills is a word; a path would make it one of files.
given_to_all(mount) if {
	mount.destination in {"/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}
	not startswith(mount.source, "/")
}

given_to_all(mount) if {
	mount.destination == "/dev/shm"
	endswith(mount.source, "/sandbox/shm")
}

given_to_all(mount) if {
	mount.destination in {
		"/dev/termination-log", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv",
		"/var/run/secrets/kubernetes.io/serviceaccount",
	}
	copied(mount.source)
}

# A file or directory as the host has copied it in. Volumes are deeper or elsewhere: what containers have put there is not the host's to
# read, as it would be by way of a termination log.
copied(source) if {
	regex.match(`/shared/containers/[^/]+$`, source)
	not contains(source, "/sandbox/")
}

# An emptyDir in memory, or on disk: the guest makes both.
empty_at_first(storage) if storage.driver == "ephemeral"

empty_at_first(storage) if {
	storage.driver == "local"
	contains(storage.mount_point, local_volumes)
}

# Where emptyDirs on disk are, and where the host copies nothing.
local_volumes := "/rootfs/local/"

default CopyFileRequest := false

CopyFileRequest if not contains(input.path, local_volumes)

done(container) if {
	data.pstate[concat(":", ["started", container.name])]
	not unfinished(container)
}

unfinished(container) if {
	container.init
	alive(container.name)
}

# What runs, by container id; and what has ever been started, by name. No id has a colon. The guest keeps a change only when
# the request has succeeded.
remember(name) := {"allowed": true, "ops": [{
	"op": "add",
	"path": concat("/", ["", "pstate", input.container_id]),
	"value": name,
}]}

alive(name) if {
	some value in data.pstate
	value == name
}

default StartContainerRequest := false

StartContainerRequest := {"allowed": true, "ops": [{
	"op": "add",
	"path": concat("/", ["", "pstate", concat(":", ["started", data.pstate[input.container_id]])]),
	"value": true,
}]}

default RemoveContainerRequest := false

RemoveContainerRequest := {"allowed": true, "ops": [{
	"op": "remove",
	"path": concat("/", ["", "pstate", input.container_id]),
}]} if {
	data.pstate[input.container_id]
}

default SignalProcessRequest := false

SignalProcessRequest if input.signal in allowed_signals

# The root file system is the pulled image, there is exactly one, and no processes are shared.
only_pull := pull if {
	pulls := [storage | some storage in input.storages; storage.driver == "image_guest_pull"]
	count(pulls) == 1
	some pull in pulls
	pull.mount_point == input.OCI.Root.Path
}

untouched if {
	every storage in input.storages {
		storage.driver in {"image_guest_pull", "ephemeral", "local"}
	}
	input.shared_mounts == []
	input.OCI.Hooks == null
	input.sandbox_pidns == false
	not brings_volumes
}

# Disks of the cloud come by annotation. A pod that has some names them here, with the whole value: it says which key opens them.
brings_volumes if {
	some name, _ in input.OCI.Annotations
	some beginning in {"io.confidentialcontainers.org.cloud_volumes", "io.confidentialcontainers.org.peerpodvolumes."}
	startswith(name, beginning)
}

default ReadStreamRequest := true

default ExecProcessRequest := false

default WriteStreamRequest := false

default CloseStdinRequest := false

default TtyWinResizeRequest := false

# A pod's life.
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default GetOOMEventRequest := true
default GuestDetailsRequest := true
default GetDiagnosticDataRequest := true
default UpdateEphemeralMountsRequest := true
default RemoveStaleVirtiofsShareMountsRequest := true
default VolumeStatsRequest := true

# Network.
default UpdateInterfaceRequest := true
default UpdateRoutesRequest := true
default AddARPNeighborsRequest := true
default ListInterfacesRequest := true
default ListRoutesRequest := true

# No use for a pod in a VM of its own.
default UpdateContainerRequest := false
default PauseContainerRequest := false
default ResumeContainerRequest := false
default GetMetricsRequest := false
default GetIPTablesRequest := false
default SetIPTablesRequest := false
default OnlineCPUMemRequest := false
default MemHotplugByProbeRequest := false
default MemAgentMemcgConfig := false
default MemAgentCompactConfig := false
default AddSwapRequest := false
default AddSwapPathRequest := false
default ResizeVolumeRequest := false
default ReseedRandomDevRequest := false
default SetGuestDateTimeRequest := false
default SetPolicyRequest := false
