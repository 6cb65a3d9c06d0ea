import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Cgroup } from "../../sys/cgroup.ts";
import type { CgroupHierarchy } from "../../sys/cgroup-hierarchy.ts";
import { totalMemoryBytes } from "../../sys/memory.ts";
import type { AgentConfiguration } from "../configuration.ts";

/**
 * Keeps all containers together below the VM's memory, less what the configuration reserves. Each volume in memory has a limit of its
 * own, but several of them could take all there is, and killing who wrote them doesn't give it back (threat model row 120): what ends
 * then has to be the containers.
 *
 * @param hierarchy this machine's when absent
 * @throws GuestError `failed-precondition` when the VM has no more memory than that, or no control groups of version 2; SystemError
 */
export function limitWorkloadMemory(
  { cgroupParent, reservedMemoryMegabytes }: Pick<AgentConfiguration, "cgroupParent" | "reservedMemoryMegabytes">,
  log: Log,
  hierarchy?: CgroupHierarchy,
): void {
  if (reservedMemoryMegabytes === 0) return;
  const maxBytes = totalMemoryBytes() - reservedMemoryMegabytes * 1024 * 1024;
  if (reservedMemoryMegabytes < 0 || maxBytes <= 0) {
    const problem = `agent.reserved_memory_megabytes is ${reservedMemoryMegabytes}: nothing would be left for the containers`;
    throw new GuestError("failed-precondition", problem);
  }
  const group = Cgroup.at(cgroupParent, hierarchy);
  group.create("memory");
  group.write("memory.max", String(Math.floor(maxBytes)));
  log.info("memory of all containers limited", { cgroup: cgroupParent, maxBytes });
}
