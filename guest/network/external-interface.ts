import { GuestError } from "../core/errors.ts";
import { samePrefix } from "../sys/ip-address.ts";
import { checkLinkName } from "./checked-values.ts";
import type { IpProgram } from "./ip-program.ts";
import { type Link, type LinkAddress, readLinks } from "./link.ts";
import { type AddressedLink, type DefaultRoute, readDefaultRoutes } from "./primary-interface.ts";

/** Interfaces that something in the VM has made. */
const virtualNames = /^(veth|lo|docker|podman|br-|cni|tunl|tun|tap)/;

/** Metadata services of the clouds, which a VM's interface leads to. */
const metadataServices = ["169.254.169.254", "168.63.129.16", "100.100.100.200"];

/**
 * Gives the pod a second interface of the VM, for its traffic with the world outside; the tunnel keeps what has more specific
 * routes (spec/podnetwork.md 6).
 *
 * @param root the VM's own network @param pod the pod's @param podNamespace its path
 * @returns the interface's name
 * @throws GuestError `failed-precondition` when there is no such interface
 */
export async function movePodExternalInterface(
  root: IpProgram,
  pod: IpProgram,
  podNamespace: string,
  primary: AddressedLink,
): Promise<string> {
  const found = findCandidate(await readLinks(root), await readDefaultRoutes(root), primary);
  if (found === undefined) throw new GuestError("failed-precondition", "the VM has no second interface with a way out");
  const { link, address, gateway } = found;
  const name = checkLinkName(link.name);
  // What the cloud tells the VM, its keys among it, is not for the workload (spec/podnetwork.md 8).
  await pod.batch(metadataServices.map((service) => ["route", "replace", "prohibit", service]));
  await root.run("link", "set", "dev", name, "netns", podNamespace);
  await pod.batch([
    ["address", "add", `${address.text}/${address.prefixLength}`, "brd", "+", "dev", name],
    ["link", "set", "dev", name, "up"],
    // The tunnel's default route, the only one that there can be, stays when this one is refused.
    ["route", "replace", "default", "via", gateway, "dev", name],
  ]);
  return name;
}

interface Candidate {
  readonly link: Link;
  readonly address: LinkAddress;
  readonly gateway: string;
}

/** It leads out if it has a default route of its own, or is in the same network as the primary one, whose gateway it takes. */
function findCandidate(
  links: readonly Link[],
  defaults: readonly DefaultRoute[],
  primary: AddressedLink,
): Candidate | undefined {
  const primaryGateway = defaults.find(({ device }) => device === primary.link.name)?.gateway;
  for (const link of links) {
    const address = link.addresses.find((candidate) => candidate.address.family === 4);
    if (link.name === primary.link.name || virtualNames.test(link.name) || address === undefined) continue;
    const own = defaults.find(({ device }) => device === link.name)?.gateway;
    const isNeighbor = samePrefix(address.address, primary.address.address, primary.address.prefixLength);
    const gateway = own ?? (isNeighbor ? primaryGateway : undefined);
    if (gateway !== undefined) return { link, address, gateway };
  }
  return undefined;
}
