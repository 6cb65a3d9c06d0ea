import { beforeEach, describe, expect, test } from "vitest";
import { createLog } from "../../guest/core/log.ts";
import { setUpPodNetwork, tearDownPodNetwork } from "../../guest/network/pod-network.ts";
import { parsePodNetworkConfiguration } from "../../guest/network/pod-network-configuration.ts";
import { isRoot } from "../sys/root.ts";
import { sampleConfiguration } from "./pod-network-samples.ts";
import { ip, networkNamespace } from "./support.ts";
import { arriving, type UdpPacket } from "./udp-delivery.ts";
import { vxlanPacket } from "./vxlan-packet.ts";

const worker = "10.10.0.1";
const vm = "10.10.0.2";
const stranger = "10.10.0.9";
const configuration = parsePodNetworkConfiguration(sampleConfiguration);

describe.skipIf(!isRoot)("who may speak in the tunnel", () => {
  let root: string;
  let pod: string;
  /** A machine with the worker's address and a stranger's, on the cable of the VM. */
  let outside: string;

  beforeEach(async () => {
    [root, pod, outside] = await Promise.all([networkNamespace(), networkNamespace(), networkNamespace()]);
    await ip(outside, `link add uplink type veth peer name ens3 netns ${root}`);
    await ip(outside, `address add ${worker}/24 dev uplink`);
    await ip(outside, `address add ${stranger}/24 dev uplink`);
    await ip(outside, "link set uplink up");
    await ip(root, "link set ens3 up");
    await ip(root, `address add ${vm}/24 dev ens3`);
    await ip(root, `route add default via ${worker}`);
  });

  const setUp = (): Promise<void> =>
    setUpPodNetwork(configuration, {
      podNamespace: pod,
      rootNamespace: root,
      signal: new AbortController().signal,
      log: createLog(() => {}),
    });

  const policies = (): Promise<string> => ip(root, "xfrm policy");

  test("threat 121: a tunnel packet from another address than the worker's never reaches the pod", async () => {
    await setUp();
    const packets = [
      tunnelled("spoofed", stranger),
      tunnelled("spoofed in fragments ".padEnd(3000, "."), stranger),
      tunnelled("end", worker),
    ];
    expect(await arriving({ namespace: pod, port: 7777 }, outside, packets)).toEqual(["end"]);
  });

  test("threat 121: nor does one to everybody on the VM's network", async () => {
    await setUp();
    await ip(outside, "route add 224.0.0.1 dev uplink");
    const packets = [
      { ...tunnelled("to all", stranger), to: "255.255.255.255" },
      { ...tunnelled("to all of the subnet", stranger), to: "10.10.0.255" },
      { ...tunnelled("to the group of all", stranger), to: "224.0.0.1" },
      tunnelled("end", worker),
    ];
    expect(await arriving({ namespace: pod, port: 7777 }, outside, packets)).toEqual(["end"]);
  });

  test("threat 121: the worker's packets come through, whole and in fragments", async () => {
    await setUp();
    const packets = [tunnelled("in fragments ".padEnd(3000, "."), worker), tunnelled("end", worker)];
    expect(await arriving({ namespace: pod, port: 7777 }, outside, packets)).toEqual(["in fragments", "end"]);
  });

  test("the VM's own UDP traffic is not hindered", async () => {
    await setUp();
    const texts = ["answer", "answer in fragments ".padEnd(3000, "."), "end"];
    const packets = texts.map((text) => ({ from: stranger, to: vm, port: 5353, data: Buffer.from(text) }));
    const received = await arriving({ namespace: root, port: 5353 }, outside, packets);
    expect(received).toEqual(["answer", "answer in fragments", "end"]);
  });

  test("the guard comes again after a crash, goes with the tunnel, and leaves nothing behind", async () => {
    await setUp();
    const guarded = await policies();
    expect(guarded.match(/dir in/g)).toHaveLength(2);
    await setUp();
    expect(await policies()).toEqual(guarded);
    await ip(root, "xfrm policy deleteall dir in priority 15150");
    await tearDownPodNetwork(configuration, { podNamespace: pod, rootNamespace: root });
    expect(await policies()).toBe("");
  });
});

function tunnelled(text: string, from: string): UdpPacket {
  const { vxlanId, vxlanPort } = configuration;
  return { from, to: vm, port: vxlanPort, data: vxlanPacket({ vxlanId, port: 7777, payload: Buffer.from(text) }) };
}
