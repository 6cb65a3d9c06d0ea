# Lets a pod live and its output be read (`kubectl logs`), and nothing be put in: no exec, no standard input, no new policy.
#
# To hide the output as well, make ReadStreamRequest false: the host then sees an empty stream.
package agent_policy

import rego.v1

default ReadStreamRequest := true

default ExecProcessRequest := false

default WriteStreamRequest := false

default CloseStdinRequest := false

# A pod's life.
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default CreateContainerRequest := true
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
