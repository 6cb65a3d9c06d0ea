import { formatIpAddress } from "../sys/ip-address.ts";
import type { IpProgram } from "./ip-program.ts";
import type { PodNetworkConfiguration } from "./pod-network-configuration.ts";

/** Where the lookup of the machine's own addresses goes to, so that the guard can come before it. */
const localPriority = 100;

/** Priorities of the guard's rules. The VM has no other rules before the one of its own addresses. */
const guardPriorities = { own: 10, worker: 20, tunnel: 30, whole: 40, fragments: 50 } as const;

/** IPPROTO_UDP as a number: the image has no /etc/protocols that `ip` could look names up in. */
const udp = ["ipproto", "17"] as const;

/**
 * Lets tunnel packets into the VM from the worker only (threat model row 121). VXLAN knows no peer: the kernel takes packets of the
 * right number from everybody, so any machine that reaches the VM could put packets into the pod.
 *
 * Routing rules do it. An arriving packet whose rules end at `blackhole` has no route into the machine, and the kernel drops it
 * without an answer. Other filters would bring kernel modules and programs that the image has no other use for.
 *
 * A fragment is routed before it is put together, when its ports aren't known. One that isn't from the worker could be a tunnel
 * packet, so no UDP fragments are taken from others. The resolver, which alone could get some, asks again by TCP.
 *
 * @throws GuestError when the kernel can't tell packets by their ports; the tunnel must not be opened then
 */
export async function guardTunnel(
  root: IpProgram,
  { workerAddress, vxlanPort }: Pick<PodNetworkConfiguration, "workerAddress" | "vxlanPort">,
): Promise<void> {
  const { own, worker, tunnel, whole, fragments } = guardPriorities;
  const accept = ["goto", String(localPriority)];
  await root.batch([
    rule("add", localPriority, "lookup", "local"),
    rule("add", own, "iif", "lo", ...accept),
    rule("add", worker, "from", formatIpAddress(workerAddress), ...accept),
    rule("add", tunnel, ...udp, "dport", String(vxlanPort), "blackhole"),
    // Has a port, so it is no fragment. 65535 is no end of a range to the kernel, nor a port that anybody sends from.
    rule("add", whole, ...udp, "sport", "1-65534", ...accept),
    rule("add", fragments, ...udp, "blackhole"),
    rule("del", 0, "lookup", "local"),
  ]);
}

/** Takes the guard away, also half of one; nothing happens when there is none. @throws GuestError */
export async function removeTunnelGuard(root: IpProgram): Promise<void> {
  const present = new Set((await root.query("-4", "rule", "show")).map((entry) => Number(entry["priority"])));
  const ours = [...Object.values(guardPriorities), localPriority].filter((priority) => present.has(priority));
  // The machine's own addresses first: without them it would hear nobody.
  const local = present.has(0) ? [] : [rule("add", 0, "lookup", "local")];
  await root.batch([...local, ...ours.map((priority) => rule("del", priority))]);
}

function rule(action: "add" | "del", priority: number, ...words: readonly string[]): string[] {
  return ["rule", action, "priority", String(priority), ...words];
}
