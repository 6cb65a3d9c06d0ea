# Lets a pod run images of a list, named by digest, and nothing else: no exec, no standard input, no new policy.
#
# To adapt: change `allowed_images`. Name images by digest and write them so in the pod's YAML, too; a tag can be moved to
# another image by whoever controls the registry. The guest pulls what it is told and proves the digest.
package agent_policy

import rego.v1

allowed_images := {
	"quay.io/example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000",
	"quay.io/example/sidecar@sha256:1111111111111111111111111111111111111111111111111111111111111111",
}

default CreateContainerRequest := false

CreateContainerRequest if {
	# The root file system is the pulled image, and there is exactly one.
	pulls := [storage | some storage in input.storages; storage.driver == "image_guest_pull"]
	count(pulls) == 1
	some pull in pulls
	pull.mount_point == input.OCI.Root.Path
	allowed_source(pull)

	# Nothing else is put over it or comes from the host's devices.
	every storage in input.storages {
		storage.driver in {"image_guest_pull", "ephemeral", "local"}
	}
	every mount in input.OCI.Mounts {
		not covers_programs(mount.destination)
	}
	input.shared_mounts == []
	input.OCI.Hooks == null
	not brings_volumes
}

# Disks of the cloud come by annotation. A pod that has some names them here, with the whole value: it says which key opens them.
brings_volumes if {
	some name, _ in input.OCI.Annotations
	some beginning in {"io.confidentialcontainers.org.cloud_volumes", "io.confidentialcontainers.org.peerpodvolumes."}
	startswith(name, beginning)
}

allowed_source(pull) if pull.source in allowed_images

# The pod's pause container is made of files of the guest's own image; its source says only `pause`.
allowed_source(pull) if {
	pull.source == "pause"
	some option in pull.driver_options
	startswith(option, "image_guest_pull=")
	volume := json.unmarshal(trim_prefix(option, "image_guest_pull="))
	volume.metadata["io.kubernetes.cri.container-type"] == "sandbox"
}

# Mounts over these would replace programs of the image by files that the host has sent.
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

# A pod's life.
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default StartContainerRequest := true
default RemoveContainerRequest := true
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
