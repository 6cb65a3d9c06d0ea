import { findProgram, runToSuccess } from "../../guest/sys/program.ts";
import { ip } from "./support.ts";

/** Namespaces that the worker's half of a pod's network is built in; empty ones, the node apart. */
export interface WorkerNamespaces {
  /** The node's own, with a way to the pod VM. */
  readonly node: string;
  /** The pod's on the worker, as its CNI makes it. */
  readonly workerPod: string;
  /** What is behind the CNI: the cluster. It gets 10.128.0.1/24. */
  readonly cluster: string;
}

/** The tunnel as cloud-api-adaptor makes it. */
export interface WorkerTunnel {
  readonly vmAddress: string;
  readonly vxlanId: number;
  readonly vxlanPort: number;
}

/**
 * Builds the worker's half (spec/podnetwork.md 7): what the cluster sends to the pod's interface goes into the tunnel, and what
 * comes out of it goes to the cluster.
 */
export async function connectWorkerSide(
  { node, workerPod, cluster }: WorkerNamespaces,
  { vmAddress, vxlanId, vxlanPort }: WorkerTunnel,
): Promise<void> {
  await ip(cluster, `link add cni0 type veth peer name eth0 netns ${workerPod}`);
  await ip(cluster, "address add 10.128.0.1/24 dev cni0");
  await ip(cluster, "link set cni0 mtu 1450 up");
  await ip(workerPod, "link set eth0 address 0a:58:0a:80:00:02 mtu 1450 up");
  const vxlan = `id ${vxlanId} remote ${vmAddress} dstport ${vxlanPort} nolearning`;
  await ip(node, `link add vxlan1 netns ${workerPod} type vxlan ${vxlan}`);
  await ip(workerPod, "link set vxlan1 up");
  await redirect(workerPod, "eth0", "vxlan1");
  await redirect(workerPod, "vxlan1", "eth0");
}

async function redirect(namespace: string, from: string, to: string): Promise<void> {
  const tc = (words: string): Promise<Buffer> =>
    runToSuccess(findProgram("tc"), words.split(" "), { networkNamespace: namespace });
  await tc(`qdisc add dev ${from} ingress`);
  await tc(`filter add dev ${from} parent ffff: protocol all u32 match u8 0 0 action mirred egress redirect dev ${to}`);
}
