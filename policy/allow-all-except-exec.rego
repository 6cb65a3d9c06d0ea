# Lets every request pass but the one that runs a further command in a container (`kubectl exec`, exec probes), and keeps the
# host from putting another policy in this one's place.
package agent_policy

import rego.v1

default ExecProcessRequest := false

default SetPolicyRequest := false

# A pod's life.
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default CreateContainerRequest := true
default StartContainerRequest := true
default RemoveContainerRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default UpdateContainerRequest := true
default GetOOMEventRequest := true
default GuestDetailsRequest := true
default GetDiagnosticDataRequest := true
default CopyFileRequest := true
default UpdateEphemeralMountsRequest := true
default RemoveStaleVirtiofsShareMountsRequest := true
default VolumeStatsRequest := true
default TtyWinResizeRequest := true

# Standard streams.
default ReadStreamRequest := true
default WriteStreamRequest := true
default CloseStdinRequest := true

# Network.
default UpdateInterfaceRequest := true
default UpdateRoutesRequest := true
default AddARPNeighborsRequest := true
default ListInterfacesRequest := true
default ListRoutesRequest := true

# The rest.
default PauseContainerRequest := true
default ResumeContainerRequest := true
default GetMetricsRequest := true
default GetIPTablesRequest := true
default SetIPTablesRequest := true
default OnlineCPUMemRequest := true
default MemHotplugByProbeRequest := true
default MemAgentMemcgConfig := true
default MemAgentCompactConfig := true
default AddSwapRequest := true
default AddSwapPathRequest := true
default ResizeVolumeRequest := true
default ReseedRandomDevRequest := true
default SetGuestDateTimeRequest := true
