# The policy of the demo's pod: one image by digest, its logs, and one command.
package agent_policy

import rego.v1

default CreateSandboxRequest := true
default DestroySandboxRequest := true
default StartContainerRequest := true
default RemoveContainerRequest := true
default RemoveStaleVirtiofsShareMountsRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default GuestDetailsRequest := true
default ReadStreamRequest := true
default GetOOMEventRequest := true

default CreateContainerRequest := false
default ExecProcessRequest := false
default SetPolicyRequest := false

allowed_images := {"pause", "@IMAGE@"}

allowed_commands := [["/bin/cat", "/etc/motd"]]

CreateContainerRequest if {
	every storage in input.storages {
		storage.source in allowed_images
	}
}

ExecProcessRequest if input.process.Args in allowed_commands
