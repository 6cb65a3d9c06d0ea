# Refuses every request. The default of the production image, in force when the initdata has no policy: no pod can run, and
# the host is told so by a plain denial.
package agent_policy

import rego.v1

# A pod's life.
default CreateSandboxRequest := false
default DestroySandboxRequest := false
default CreateContainerRequest := false
default StartContainerRequest := false
default RemoveContainerRequest := false
default SignalProcessRequest := false
default WaitProcessRequest := false
default StatsContainerRequest := false
default UpdateContainerRequest := false
default GetOOMEventRequest := false
default GuestDetailsRequest := false
default GetDiagnosticDataRequest := false
default CopyFileRequest := false
default UpdateEphemeralMountsRequest := false
default RemoveStaleVirtiofsShareMountsRequest := false
default VolumeStatsRequest := false
default TtyWinResizeRequest := false

# Running commands, and standard streams.
default ExecProcessRequest := false
default ReadStreamRequest := false
default WriteStreamRequest := false
default CloseStdinRequest := false

# Network.
default UpdateInterfaceRequest := false
default UpdateRoutesRequest := false
default AddARPNeighborsRequest := false
default ListInterfacesRequest := false
default ListRoutesRequest := false

# The rest.
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
