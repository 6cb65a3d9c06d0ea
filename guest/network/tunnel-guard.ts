import { formatIpAddress } from "../sys/ip-address.ts";
import type { IpProgram } from "./ip-program.ts";
import type { PodNetworkConfiguration } from "./pod-network-configuration.ts";

/** Priorities of the guard's policies, and what they are known by. The lower number is asked first. */
const guardPriorities = { worker: 15_150, others: 15_151 } as const;

/** IPPROTO_UDP as a number: the image has no /etc/protocols that `ip` could look names up in. */
const udp = ["proto", "17"] as const;

/**
 * Lets tunnel packets into the VM from the worker only (threat model row 121). VXLAN knows no peer: the kernel takes packets of the
 * right number from everybody, so any machine that reaches the VM could put packets into the pod.
 *
 * IPsec's policies do it, without any IPsec: the kernel asks them for each UDP packet, put together from its fragments, right before
 * the tunnel gets it. Routing rules see no packets to 255.255.255.255 and 224.0.0.1, which neighbours can send, and no ports of
 * fragments; a packet filter would bring more kernel modules.
 *
 * @throws GuestError when the kernel has no such policies; the tunnel must not be opened then
 */
export async function guardTunnel(
  root: IpProgram,
  { workerAddress, vxlanPort }: Pick<PodNetworkConfiguration, "workerAddress" | "vxlanPort">,
): Promise<void> {
  const toTunnel = ["dst", "0.0.0.0/0", ...udp, "dport", String(vxlanPort), "dir", "in"];
  const { worker, others } = guardPriorities;
  await root.batch([
    policy("add", "src", "0.0.0.0/0", ...toTunnel, "action", "block", "priority", String(others)),
    policy("add", "src", formatIpAddress(workerAddress), ...toTunnel, "priority", String(worker)),
  ]);
}

/** Takes the guard away, also half of one; nothing happens when there is none. @throws GuestError */
export async function removeTunnelGuard(root: IpProgram): Promise<void> {
  // Not as a batch: `ip` ends after the first of them.
  for (const priority of Object.values(guardPriorities))
    await root.run(...policy("deleteall", "dir", "in", "priority", String(priority)));
}

function policy(action: "add" | "deleteall", ...words: readonly string[]): string[] {
  return ["xfrm", "policy", action, ...words];
}
