# Runs exactly the containers of a list: each with its image, arguments and variables, at most one of each at a time, and none
# before those above it have been started. An init container has to be gone before the next one comes. Mounts that are named must
# be there; others may be, as long as they cover no programs.
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
	},
	{
		"name": "guard",
		"init": false,
		"image": "quay.io/example/guard@sha256:1111111111111111111111111111111111111111111111111111111111111111",
		"args": ["/guard"],
		"env": {"PATH=/usr/bin:/bin"},
		"mounts": set(),
	},
	{
		"name": "web",
		"init": false,
		"image": "quay.io/example/web@sha256:2222222222222222222222222222222222222222222222222222222222222222",
		"args": ["/web", "--port", "8080"],
		"env": {"PATH=/usr/bin:/bin"},
		"mounts": {"/keys"},
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

# The root file system is the pulled image, there is exactly one, nothing is put over its programs, and no processes are shared.
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
	every mount in input.OCI.Mounts {
		not covers_programs(mount.destination)
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

covers_programs(destination) if destination == "/"

covers_programs(destination) if not startswith(destination, "/")

covers_programs(destination) if contains(destination, "//")

covers_programs(destination) if "." in split(destination, "/")

covers_programs(destination) if {
	some folder in {"/bin", "/sbin", "/lib", "/lib64", "/usr", "/opt"}
	startswith(concat("", [destination, "/"]), concat("", [folder, "/"]))
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
default CopyFileRequest := true
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
