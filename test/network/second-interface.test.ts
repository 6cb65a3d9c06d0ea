import { beforeEach, describe, expect, test } from "vitest";
import type { JsonValue } from "../../guest/core/json.ts";
import { createLog } from "../../guest/core/log.ts";
import { type PodNetworkOptions, setUpPodNetwork } from "../../guest/network/pod-network.ts";
import { parsePodNetworkConfiguration } from "../../guest/network/pod-network-configuration.ts";
import { isRoot } from "../sys/root.ts";
import { sampleConfiguration } from "./pod-network-samples.ts";
import { ip, networkNamespace } from "./support.ts";
import { arriving } from "./udp-delivery.ts";
import { connectWorkerSide } from "./worker-side.ts";

const port = 7777;
const podRoutes = [
  { dst: "", gw: "10.128.0.1", dev: "eth0" },
  { dst: "10.128.0.0/24", gw: "", dev: "eth0", protocol: "kernel", scope: "link" },
];

describe.skipIf(!isRoot)("a VM with two interfaces, real packets", () => {
  let root: string;
  let pod: string;
  let node: string;
  let cluster: string;

  beforeEach(async () => {
    [root, pod] = [await networkNamespace(), await networkNamespace()];
    [node, cluster] = [await networkNamespace(), await networkNamespace()];
    await cable(node, "uplink", "10.10.0.1/24", "ens3", "10.10.0.2/24");
    await ip(root, "route add default via 10.10.0.1");
  });

  test("dedicated: the tunnel runs from the worker's second interface to the VM's", async () => {
    await cable(node, "uplink2", "10.11.0.1/24", "ens4", "10.11.0.2/24");
    await connectWorker("10.11.0.2");
    await setUp({ dedicated: true, "worker-node-ip": "10.11.0.1/24" }, { hostInterface: "ens4" });
    const packet = { to: "10.128.0.2", port, data: Buffer.from("end") };
    expect(await arriving({ namespace: pod, port }, cluster, [packet])).toEqual(["end"]);
  });

  test("external: the world is reached by the VM's second interface, the cluster by the tunnel", async () => {
    const world = await networkNamespace();
    await cable(world, "uplink2", "10.20.0.1/24", "ens4", "10.20.0.2/24");
    await ip(root, "route add default via 10.20.0.1 metric 500");
    await connectWorker("10.10.0.2");
    const toCluster = { dst: "10.64.0.0/16", gw: "10.128.0.1", dev: "eth0" };
    await setUp({ "external-net-via-pod-vm": true, routes: [...podRoutes, toCluster] });
    await ip(world, "address add 198.51.100.1/32 dev lo");
    await ip(cluster, "address add 10.64.0.1/32 dev lo");
    const packets = ["198.51.100.1", "10.64.0.1"].map((to) => ({ to, port, data: Buffer.from("end") }));
    expect(await arriving({ namespace: world, port }, pod, packets)).toEqual(["end"]);
    expect(await arriving({ namespace: cluster, port }, pod, packets)).toEqual(["end"]);
  });

  /** A cable to the VM, its ends up and with addresses. */
  async function cable(far: string, farName: string, farAddress: string, name: string, address: string): Promise<void> {
    await ip(far, `link add ${farName} type veth peer name ${name} netns ${root}`);
    await ip(far, `address add ${farAddress} dev ${farName}`);
    await ip(far, `link set dev ${farName} up`);
    await ip(root, `address add ${address} dev ${name}`);
    await ip(root, `link set dev ${name} up`);
  }

  async function connectWorker(vmAddress: string): Promise<void> {
    const workerPod = await networkNamespace();
    await connectWorkerSide({ node, workerPod, cluster }, { vmAddress, vxlanId: 555000, vxlanPort: 4789 });
  }

  async function setUp(
    overrides: Readonly<Record<string, JsonValue>>,
    options: Partial<PodNetworkOptions> = {},
  ): Promise<void> {
    await setUpPodNetwork(parsePodNetworkConfiguration({ ...sampleConfiguration, ...overrides }), {
      podNamespace: pod,
      rootNamespace: root,
      signal: new AbortController().signal,
      log: createLog(() => {}),
      ...options,
    });
  }
});
