import { GuestError } from "../../core/errors.ts";
import { quotedError } from "../errors.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/**
 * Methods that a confidential guest does not do, with the code and the words that callers of the reference know where it has any.
 * The policy is asked before, as for any other.
 */
export function refusedHandlers(): AgentHandlers<
  | "AddSwap"
  | "AddSwapPath"
  | "GetIPTables"
  | "SetIPTables"
  | "MemHotplugByProbe"
  | "MemAgentMemcgSet"
  | "MemAgentCompactSet"
  | "ResizeVolume"
> {
  const unimplemented = (message: string) => (): never => {
    throw new GuestError("unimplemented", message);
  };
  const memoryAgentIsOff = (): never => {
    throw new GuestError("internal", "mem-agent is disabled");
  };
  return {
    // Memory would go to the host's disk in clear (threat 64).
    AddSwap: unimplemented("swap is not supported in a confidential guest"),
    AddSwapPath: unimplemented("swap is not supported in a confidential guest"),
    // Rules of the host could lead the workload's traffic to itself (threat 65).
    GetIPTables: unimplemented("iptables are not supported in a confidential guest"),
    SetIPTables: unimplemented("iptables are not supported in a confidential guest"),
    // The kernel finds plugged memory without the host naming addresses (threat 69).
    MemHotplugByProbe: unimplemented("memory hot-plug by probe is not supported"),
    MemAgentMemcgSet: memoryAgentIsOff,
    MemAgentCompactSet: memoryAgentIsOff,
    ResizeVolume: () => {
      throw quotedError("unimplemented", "resize_volume is not implemented in kata-agent");
    },
  };
}
