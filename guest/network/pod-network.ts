import { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { formatIpAddress } from "../sys/ip-address.ts";
import { formatNetwork } from "./checked-values.ts";
import { movePodExternalInterface } from "./external-interface.ts";
import { IpProgram } from "./ip-program.ts";
import { readLinks } from "./link.ts";
import type { PodNetworkConfiguration } from "./pod-network-configuration.ts";
import { type AddressedLink, waitForInterface, waitForPrimaryInterface } from "./primary-interface.ts";
import { guardTunnel, removeTunnelGuard } from "./tunnel-guard.ts";

/** Where the pod's network is built, and how long the VM's own is waited for. */
export interface PodNetworkOptions {
  /** Path of the pod's namespace, which exists and has its loopback interface up. */
  readonly podNamespace: string;
  /** Path of the VM's own namespace; the one that we are in when absent. */
  readonly rootNamespace?: string | undefined;
  /** The VM's interface for tunnels in dedicated mode. */
  readonly hostInterface?: string | undefined;
  readonly timeoutMs?: number;
  readonly pollMs?: number;
  readonly signal: AbortSignal;
  readonly log: Log;
}

const defaultTimeoutMs = 180_000;
const defaultPollMs = 1000;

/** What the tunnel's device is called until it is in the pod's namespace alone. */
const temporaryName = "podkeep-tunnel";

/**
 * Connects the pod's namespace with the worker by a VXLAN tunnel, so that the pod has the address, MAC, routes and neighbours
 * that the worker's CNI has given it (spec/podnetwork.md 4). May be called again after a crash: a tunnel that is there is
 * replaced.
 *
 * The VM takes tunnel packets from the worker's address only. The rules against connection tracking that the reference sets are
 * left out: this VM has no packet filter, so nothing tracks connections.
 *
 * @throws GuestError; a tunnel that isn't complete is removed
 */
export async function setUpPodNetwork(
  configuration: PodNetworkConfiguration,
  options: PodNetworkOptions,
): Promise<void> {
  const root = new IpProgram(options.rootNamespace);
  const pod = new IpProgram(options.podNamespace);
  const primary = await waitForUnderlay(root, configuration, options);
  await tearDownPodNetwork(configuration, options);
  try {
    await guardTunnel(root, configuration);
    await createTunnel(root, configuration, options.podNamespace);
    await configurePod(pod, configuration);
  } catch (error) {
    await tearDownPodNetwork(configuration, options).catch((leftover: unknown) =>
      options.log.warn("a half-made tunnel could not be removed", { error: leftover }),
    );
    throw error;
  }
  options.log.info("pod network connected", {
    interface: configuration.interfaceName,
    worker: formatIpAddress(configuration.workerAddress),
    vxlanId: configuration.vxlanId,
    vxlanPort: configuration.vxlanPort,
  });
  if (configuration.externalNetworkViaPodVm) await tryExternalInterface(root, pod, primary, options);
}

/** Takes the tunnel away; its routes and neighbours go with it. Nothing happens when there is none. @throws GuestError */
export async function tearDownPodNetwork(
  { interfaceName }: PodNetworkConfiguration,
  { podNamespace, rootNamespace }: Pick<PodNetworkOptions, "podNamespace" | "rootNamespace">,
): Promise<void> {
  await removeTunnel(new IpProgram(podNamespace), interfaceName);
  await removeTunnelGuard(new IpProgram(rootNamespace));
}

/** Waits until the VM itself can be reached; without that nothing could leave the tunnel. */
async function waitForUnderlay(
  root: IpProgram,
  { dedicated }: PodNetworkConfiguration,
  { hostInterface, timeoutMs = defaultTimeoutMs, pollMs = defaultPollMs, signal }: PodNetworkOptions,
): Promise<AddressedLink> {
  const patience = { timeoutMs, pollMs, signal };
  const primary = await waitForPrimaryInterface(root, patience);
  if (!dedicated) return primary;
  if (hostInterface === undefined || hostInterface === primary.link.name)
    throw new GuestError(
      "failed-precondition",
      "dedicated tunnels need a host interface (agent.host_interface) that is not the primary one",
    );
  await waitForInterface(root, hostInterface, patience);
  return primary;
}

/**
 * Makes the device in the pod's namespace from the VM's: its UDP socket stays where it was made from, where the underlay is.
 * There is one peer, so nothing is to be learned. It gets its own name later: Linux 6.12 refuses one that an interface of the VM
 * has, and many call their NIC eth0, too.
 */
async function createTunnel(
  root: IpProgram,
  { hardwareAddress, mtu, vxlanId, workerAddress, vxlanPort }: PodNetworkConfiguration,
  podNamespace: string,
): Promise<void> {
  await root.run(
    ...["link", "add", "name", temporaryName, "address", hardwareAddress, "mtu", String(mtu), "netns", podNamespace],
    ...["type", "vxlan", "id", String(vxlanId), "remote", formatIpAddress(workerAddress)],
    ...["dstport", String(vxlanPort), "nolearning"],
  );
}

async function configurePod(pod: IpProgram, configuration: PodNetworkConfiguration): Promise<void> {
  const { interfaceName: device, podAddress, routes, neighbors } = configuration;
  const direct = routes.filter(({ gateway }) => gateway === undefined);
  const indirect = routes.filter(({ gateway }) => gateway !== undefined);
  await pod.batch([
    ["link", "set", "dev", temporaryName, "name", device],
    ["address", "add", `${formatIpAddress(podAddress.address)}/${podAddress.length}`, "brd", "+", "dev", device],
    ["link", "set", "dev", device, "up"],
    // The kernel has made a route of its own for the network; which one there is, is the CNI's to say.
    ...(podAddress.length < 32 ? [["route", "del", formatNetwork(podAddress), "dev", device]] : []),
    ...direct.map(({ destination, protocol }) => [
      ...["route", "add", destination, "dev", device, "proto", String(protocol), "scope", "link"],
    ]),
    ...indirect.map(({ destination, gateway = "", protocol }) => [
      ...["route", "add", destination, "via", gateway, "dev", device, "proto", String(protocol)],
    ]),
    ...neighbors.map(({ address, hardwareAddress }) => [
      ...["neighbor", "add", address, "lladdr", hardwareAddress, "dev", device, "nud", "permanent"],
    ]),
  ]);
}

async function removeTunnel(pod: IpProgram, interfaceName: string): Promise<void> {
  for (const { name, kind } of await readLinks(pod)) {
    if (name !== interfaceName && name !== temporaryName) continue;
    if (kind !== "vxlan")
      throw new GuestError("failed-precondition", `the pod's namespace has another interface ${name}`);
    await pod.run("link", "del", "dev", name);
  }
}

/** The pod has a network without it, so a failure is only told. */
async function tryExternalInterface(
  root: IpProgram,
  pod: IpProgram,
  primary: AddressedLink,
  { podNamespace, log }: PodNetworkOptions,
): Promise<void> {
  try {
    const name = await movePodExternalInterface(root, pod, podNamespace, primary);
    log.info("external interface moved to the pod", { interface: name });
  } catch (error) {
    log.warn("the pod has no external interface", { error });
  }
}
