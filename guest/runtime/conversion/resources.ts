import type {
  LinuxBlockIO,
  LinuxCPU,
  LinuxHugepageLimit,
  LinuxMemory,
  LinuxResources,
  LinuxThrottleDevice,
} from "../../rpc/messages/oci.ts";
import type { OciBlockIo, OciResources, OciThrottle } from "../oci-spec.ts";
import { invalidSpec } from "./spec-error.ts";

/**
 * Limits of a container in OCI form (spec/agent-rpc.md 11.5): only values above zero are limits. Device rules of the host are
 * not taken (threat 45), nor are network classes, which cgroup v2 has no place for; a pids limit is applied when it is there.
 *
 * @throws GuestError `internal` for a CPU or memory node list that is none
 */
export function convertResources(resources: LinuxResources | null): OciResources {
  if (resources === null) return {};
  return {
    memory: resources.Memory === null ? undefined : convertMemory(resources.Memory),
    cpu: resources.CPU === null ? undefined : convertCpu(resources.CPU),
    pids: resources.Pids !== null && resources.Pids.Limit > 0n ? { limit: resources.Pids.Limit } : undefined,
    blockIO: resources.BlockIO === null ? undefined : convertBlockIo(resources.BlockIO),
    hugepageLimits: convertHugepageLimits(resources.HugepageLimits),
  };
}

function convertMemory(memory: LinuxMemory): OciResources["memory"] {
  const limits: Record<string, bigint | boolean> = positive({
    limit: memory.Limit,
    reservation: memory.Reservation,
    swap: memory.Swap,
    swappiness: memory.Swappiness,
  });
  if (memory.DisableOOMKiller) limits["disableOOMKiller"] = true;
  return limits;
}

function convertCpu(cpu: LinuxCPU): OciResources["cpu"] {
  const limits: Record<string, bigint | string> = positive({
    shares: cpu.Shares,
    quota: cpu.Quota,
    period: cpu.Period,
    realtimeRuntime: cpu.RealtimeRuntime,
    realtimePeriod: cpu.RealtimePeriod,
  });
  if (cpu.Cpus !== "") limits["cpus"] = numberList(cpu.Cpus, "CPU");
  if (cpu.Mems !== "") limits["mems"] = numberList(cpu.Mems, "memory node");
  return limits;
}

function convertBlockIo(io: LinuxBlockIO): OciBlockIo {
  return {
    weight: io.Weight === 0 ? undefined : io.Weight,
    leafWeight: io.LeafWeight === 0 ? undefined : io.LeafWeight,
    weightDevice: unlessEmpty(
      io.WeightDevice.map((device) => ({
        major: device.Major,
        minor: device.Minor,
        weight: device.Weight,
        leafWeight: device.LeafWeight,
      })),
    ),
    throttleReadBpsDevice: convertThrottles(io.ThrottleReadBpsDevice),
    throttleWriteBpsDevice: convertThrottles(io.ThrottleWriteBpsDevice),
    throttleReadIOPSDevice: convertThrottles(io.ThrottleReadIOPSDevice),
    throttleWriteIOPSDevice: convertThrottles(io.ThrottleWriteIOPSDevice),
  };
}

function convertThrottles(devices: readonly LinuxThrottleDevice[]): readonly OciThrottle[] | undefined {
  return unlessEmpty(devices.map((device) => ({ major: device.Major, minor: device.Minor, rate: device.Rate })));
}

function convertHugepageLimits(limits: readonly LinuxHugepageLimit[]): OciResources["hugepageLimits"] {
  return unlessEmpty(limits.map((limit) => ({ pageSize: limit.Pagesize, limit: limit.Limit })));
}

function positive(values: Readonly<Record<string, bigint>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value > 0n));
}

function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function numberList(list: string, what: string): string {
  if (!/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/u.test(list)) throw invalidSpec(`${what} list is malformed`, { list });
  return list;
}
