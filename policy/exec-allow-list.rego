# Lets a pod live and its output be read, and runs no command in it but those of a list, argument by argument as written here.
#
# To adapt: change `allowed_commands`. A command through a shell (`sh -c ...`) is an argument like any other and must be listed
# as a whole; exec probes of the pod's YAML count as commands, too.
package agent_policy

import rego.v1

allowed_commands := [
	["curl", "http://127.0.0.1:8006/cdh/resource/default/attestation-status/status"],
	["cat", "/etc/os-release"],
]

default ExecProcessRequest := false

# A listed command, run as the container itself runs: the host chooses neither user, folder, environment nor privileges (what the
# container can't gain, the guest lets no exec gain).
ExecProcessRequest if {
	input.process.Args in allowed_commands
	container := data.pstate[input.container_id]
	input.process.User == container.User
	input.process.Cwd == container.Cwd
	every variable in input.process.Env {
		same_variable(variable, container)
	}
	input.string_user == null
	input.process.Capabilities == null
	input.process.SelinuxLabel == ""
	input.process.ApparmorProfile == ""
}

same_variable(variable, container) if variable in container.Env

# What `kubectl exec -t` adds.
same_variable(variable, _) if variable == "TERM=xterm"

# How a container runs is remembered when it is created, and forgotten when it is removed. The guest keeps either only when the
# request has succeeded.
default CreateContainerRequest := false

CreateContainerRequest := {"allowed": true, "ops": [{
	"op": "add",
	"path": concat("/", ["", "pstate", input.container_id]),
	"value": {
		"User": input.OCI.Process.User,
		"Cwd": input.OCI.Process.Cwd,
		"Env": input.OCI.Process.Env,
	},
}]}

default RemoveContainerRequest := false

RemoveContainerRequest := {"allowed": true, "ops": [{
	"op": "remove",
	"path": concat("/", ["", "pstate", input.container_id]),
}]} if {
	data.pstate[input.container_id]
}

default ReadStreamRequest := true

default WriteStreamRequest := false

default CloseStdinRequest := false

# A pod's life.
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default StartContainerRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default GetOOMEventRequest := true
default GuestDetailsRequest := true
default GetDiagnosticDataRequest := true
default CopyFileRequest := true
default UpdateEphemeralMountsRequest := true
default RemoveStaleVirtiofsShareMountsRequest := true
default VolumeStatsRequest := true
default TtyWinResizeRequest := true

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
