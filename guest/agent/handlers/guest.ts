import { GuestError } from "../../core/errors.ts";
import { setSystemTime } from "../../sys/clock.ts";
import { pathExists, readFileIfPresent } from "../../sys/file.ts";
import { addEntropy, reseedRandomGenerator } from "../../sys/random.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { maxEntropyBytes } from "../limits.ts";
import { onlineCpus, onlineMemory } from "../online-resources.ts";
import type { Sandbox } from "../sandbox.ts";
import { agentVersion } from "../version.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** The guest itself (spec/agent-rpc.md 6.10). */
export function guestHandlers(
  sandbox: Sandbox,
  { policy, log }: AgentDependencies,
): AgentHandlers<"GetGuestDetails" | "OnlineCPUMem" | "ReseedRandomDev" | "SetGuestDateTime" | "SetPolicy"> {
  return {
    GetGuestDetails: ({ mem_block_size: wantsBlockSize, mem_hotplug_probe: wantsProbe }) => ({
      mem_block_size_bytes: wantsBlockSize ? memoryBlockSize() : 0n,
      support_mem_hotplug_probe: wantsProbe && pathExists("/sys/devices/system/memory/probe"),
      agent_details: {
        version: agentVersion,
        init_daemon: false,
        device_handlers: [],
        storage_handlers: sandbox.storages.driverNames,
        supports_seccomp: supportsSeccomp(),
        extra_features: supportsSeccomp() ? ["agent-policy", "seccomp"] : ["agent-policy"],
      },
    }),
    OnlineCPUMem: async ({ nb_cpus: wantedCpus, cpu_only: cpuOnly }, { signal }) => {
      if (wantedCpus > 0) await onlineCpus(wantedCpus, signal);
      if (!cpuOnly) onlineMemory();
      return {};
    },
    ReseedRandomDev: ({ data }) => {
      if (data.byteLength === 0) throw new GuestError("internal", "missing entropy data");
      if (data.byteLength > maxEntropyBytes) throw new GuestError("invalid-argument", "too much entropy data");
      addEntropy(data);
      reseedRandomGenerator();
      return {};
    },
    SetGuestDateTime: ({ Sec: seconds, Usec: microseconds }) => {
      // Turned back, the clock would revive certificates and tokens of the running pod (threat 62).
      if (sandbox.exists)
        throw new GuestError("failed-precondition", "the clock cannot be set once there is a sandbox");
      setSystemTime(seconds, microseconds);
      log.warn("host has set the clock", { seconds });
      return {};
    },
    SetPolicy: async ({ policy: text }) => {
      if (policy === undefined) throw new GuestError("unimplemented", "the policy cannot be replaced");
      await policy.setPolicy(text);
      return {};
    },
  };
}

/** The file holds a hexadecimal number without prefix; kernels without memory hot-plug have none. */
function memoryBlockSize(): bigint {
  const text = readFileIfPresent("/sys/devices/system/memory/block_size_bytes", 64)?.toString().trim();
  if (text === undefined || text === "") return 0n;
  if (!/^[0-9a-f]{1,16}$/iu.test(text)) throw new GuestError("internal", "Invalid block size");
  return BigInt(`0x${text}`);
}

function supportsSeccomp(): boolean {
  const status = readFileIfPresent("/proc/self/status", 64 * 1024)?.toString() ?? "";
  return /^Seccomp:/mu.test(status);
}
