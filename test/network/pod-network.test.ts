import fs from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import type { JsonValue } from "../../guest/core/json.ts";
import { createLog } from "../../guest/core/log.ts";
import { type PodNetworkOptions, setUpPodNetwork, tearDownPodNetwork } from "../../guest/network/pod-network.ts";
import { parsePodNetworkConfiguration } from "../../guest/network/pod-network-configuration.ts";
import { findProgram, runProgram, runToSuccess } from "../../guest/sys/program.ts";
import { isRoot } from "../sys/root.ts";
import { sampleConfiguration } from "./pod-network-samples.ts";
import { ip, networkNamespace } from "./support.ts";
import { connectWorkerSide } from "./worker-side.ts";

/** The VM's own namespace, the pod's in it, and the worker's node, with a cable between node and VM. */
let root: string;
let pod: string;
let node: string;
let lines: string[];

beforeEach(async () => {
  [root, pod, node] = await Promise.all([networkNamespace(), networkNamespace(), networkNamespace()]);
  await ip(node, `link add uplink type veth peer name ens3 netns ${root}`);
  await ip(node, "address add 10.10.0.1/24 dev uplink");
  await ip(node, "link set uplink up");
  await ip(root, "link set ens3 up");
  lines = [];
});

async function giveVmItsAddress(): Promise<void> {
  await ip(root, "address add 10.10.0.2/24 dev ens3");
  await ip(root, "route add default via 10.10.0.1");
}

function configuration(
  overrides: Readonly<Record<string, JsonValue>> = {},
): ReturnType<typeof parsePodNetworkConfiguration> {
  return parsePodNetworkConfiguration({ ...sampleConfiguration, ...overrides });
}

async function setUp(
  overrides: Readonly<Record<string, JsonValue>> = {},
  options: Partial<PodNetworkOptions> = {},
): Promise<void> {
  await setUpPodNetwork(configuration(overrides), {
    podNamespace: pod,
    rootNamespace: root,
    timeoutMs: 5000,
    pollMs: 20,
    signal: new AbortController().signal,
    log: createLog((line) => lines.push(line)),
    ...options,
  });
}

/** Links of a namespace as `ip` describes them. */
async function links(namespace: string): Promise<Record<string, unknown>[]> {
  return JSON.parse(await ip(namespace, "-details -json link show"));
}

async function names(namespace: string): Promise<unknown[]> {
  return (await links(namespace)).map((link) => link["ifname"]);
}

async function routes(): Promise<string[]> {
  return (await ip(pod, "-4 route show"))
    .trim()
    .split("\n")
    .map((line) => line.trim());
}

/** Local UDP ports that are bound in a namespace, tunnels included. */
async function udpPorts(namespace: string): Promise<string> {
  const cat = await runToSuccess(findProgram("cat"), ["/proc/net/udp"], { networkNamespace: namespace });
  return cat.toString();
}

describe.skipIf(!isRoot)("the result is the reference's (spec/podnetwork.md 5)", () => {
  beforeEach(giveVmItsAddress);

  test("interface, address, routes; the socket stays in the VM's namespace", async () => {
    await setUp();
    const eth0 = (await links(pod)).find((link) => link["ifname"] === "eth0");
    expect(eth0).toMatchObject({
      mtu: 1450,
      address: "0a:58:0a:80:00:02",
      flags: expect.arrayContaining(["UP", "BROADCAST", "MULTICAST"]),
      linkinfo: { info_kind: "vxlan", info_data: { id: 555000, remote: "10.10.0.1", port: 4789, learning: false } },
    });
    const address = await ip(pod, "-4 address show dev eth0");
    expect(address).toContain("inet 10.128.0.2/24 brd 10.128.0.255 scope global eth0");
    expect(await routes()).toEqual([
      "default via 10.128.0.1 dev eth0",
      "10.128.0.0/24 dev eth0 proto kernel scope link",
    ]);
    expect(await ip(pod, "route get 8.8.8.8")).toContain("via 10.128.0.1 dev eth0 src 10.128.0.2");
    const forwarding = await runToSuccess(findProgram("bridge"), ["fdb", "show", "dev", "eth0"], {
      networkNamespace: pod,
    });
    expect(forwarding.toString()).toMatch(/00:00:00:00:00:00 dst 10\.10\.0\.1 .*self permanent/);
    expect(await names(root)).toEqual(["lo", "ens3"]);
    expect(await udpPorts(root)).toMatch(/:12B5 /);
    expect(await udpPorts(pod)).not.toMatch(/:12B5 /);
  });

  test("OVN-Kubernetes: many routes by way of the gateway, which has none of its own first", async () => {
    const via = { gw: "10.128.2.1", dev: "eth0" };
    const far = ["10.128.0.0/14", "172.30.0.0/16", "169.254.0.4/29", "100.64.0.0/16"];
    await setUp({
      podip: "10.128.2.15/23",
      routes: [
        { dst: "::ffff:0.0.0.0/0", ...via },
        ...far.map((dst) => ({ dst, ...via })),
        { dst: "10.128.2.0/23", gw: "", dev: "eth0", protocol: "kernel", scope: "link" },
      ],
    });
    expect(await routes()).toEqual(
      expect.arrayContaining([
        "default via 10.128.2.1 dev eth0",
        "10.128.0.0/14 via 10.128.2.1 dev eth0",
        "169.254.0.0/29 via 10.128.2.1 dev eth0",
        "10.128.2.0/23 dev eth0 proto kernel scope link",
      ]),
    );
  });

  test("Calico: /32, link-scope gateway, its neighbour", async () => {
    await setUp({
      podip: "192.168.3.9/32",
      routes: [
        { dst: "", gw: "169.254.1.1", dev: "eth0", protocol: "boot" },
        { dst: "169.254.1.1/32", gw: "", dev: "eth0", protocol: "boot", scope: "link" },
      ],
      neighbors: [{ ip: "169.254.1.1", "hw-addr": "ee:ee:ee:ee:ee:ee", dev: "eth0", state: "permanent" }],
    });
    expect(await routes()).toEqual(["default via 169.254.1.1 dev eth0", "169.254.1.1 dev eth0 scope link"]);
    expect(await ip(pod, "neighbor show")).toContain("169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee PERMANENT");
  });

  test("PTP: the gateway's own route, then the subnet by way of it", async () => {
    await setUp({
      podip: "10.0.0.5/24",
      routes: [
        { dst: "10.0.0.0/24", gw: "10.0.0.1", dev: "eth0" },
        { dst: "10.0.0.1/32", gw: "", dev: "eth0", scope: "link" },
        { dst: "0.0.0.0/0", gw: "10.0.0.1", dev: "eth0" },
      ],
    });
    expect(await routes()).toEqual([
      "default via 10.0.0.1 dev eth0",
      "10.0.0.0/24 via 10.0.0.1 dev eth0",
      "10.0.0.1 dev eth0 scope link",
    ]);
  });

  test("scenario of Red Hat: UDP port 9000", async () => {
    await setUp({ "vxlan-port": 9000, mtu: 8901 });
    const eth0 = (await links(pod)).find((link) => link["ifname"] === "eth0");
    expect(eth0).toMatchObject({ mtu: 1450, linkinfo: { info_data: { port: 9000 } } });
  });

  test("the VM's own interface may have the name that the pod's gets", async () => {
    await ip(root, "link set dev ens3 down");
    await ip(root, "link set dev ens3 name eth0");
    await ip(root, "link set dev eth0 up");
    await ip(root, "route add default via 10.10.0.1");
    await setUp();
    expect(await names(root)).toEqual(["lo", "eth0"]);
    expect(await names(pod)).toEqual(["lo", "eth0"]);
  });

  test("again after a crash between two steps: what was made is replaced", async () => {
    await setUp();
    await ip(pod, "link set dev eth0 down");
    await ip(pod, "link set dev eth0 name podkeep-tunnel");
    await setUp();
    expect(await names(pod)).toEqual(["lo", "eth0"]);
  });

  test("again after a crash: the tunnel is replaced; torn down: nothing is left", async () => {
    await setUp();
    await setUp({ mtu: 1400 });
    expect(await names(pod)).toEqual(["lo", "eth0"]);
    await tearDownPodNetwork(configuration(), { podNamespace: pod, rootNamespace: root });
    await tearDownPodNetwork(configuration(), { podNamespace: pod, rootNamespace: root });
    expect(await names(pod)).toEqual(["lo"]);
    expect(await ip(pod, "route show table main")).toBe("");
    expect(await udpPorts(root)).not.toMatch(/:12B5 /);
  });

  test("an interface of that name that is no tunnel is left alone", async () => {
    await ip(pod, "link add eth0 type bridge");
    await expect(setUp()).rejects.toThrow("the pod's namespace has another interface eth0");
    await expect(tearDownPodNetwork(configuration(), { podNamespace: pod, rootNamespace: root })).rejects.toThrow(
      "another interface eth0",
    );
    expect(await names(pod)).toEqual(["lo", "eth0"]);
  });

  test("a set-up that fails half-way leaves no half tunnel", async () => {
    const impossible = { dst: "10.77.0.0/16", gw: "192.168.250.1", dev: "eth0" };
    await expect(setUp({ routes: [impossible] })).rejects.toThrow(
      /^ip route add 10\.77\.0\.0\/16 via 192\.168\.250\.1 dev eth0 proto 3: .*Nexthop has invalid gateway\.$/,
    );
    expect(await names(pod)).toEqual(["lo"]);
  });

  test("a second address on the VM's interface is a clear error", async () => {
    await ip(root, "address add 10.10.0.3/24 dev ens3");
    await expect(setUp()).rejects.toThrow("interface ens3 has several IPv4 addresses");
  });

  test("dedicated tunnels need another interface with an address", async () => {
    await expect(setUp({ dedicated: true })).rejects.toThrow(/need a host interface/);
    await expect(setUp({ dedicated: true }, { hostInterface: "ens3" })).rejects.toThrow(/need a host interface/);
    await expect(setUp({ dedicated: true }, { hostInterface: "ens4", timeoutMs: 50 })).rejects.toThrow(
      "interface ens4 has no address yet, after 50 ms",
    );
    await addSecondInterface("10.11.0.2/24");
    await setUp({ dedicated: true }, { hostInterface: "ens4" });
    expect(await names(pod)).toContain("eth0");
  });
});

/** A second cable between node and VM. */
async function addSecondInterface(address: string): Promise<void> {
  await ip(node, `link add uplink2 type veth peer name ens4 netns ${root}`);
  await ip(node, "link set uplink2 up");
  await ip(root, `address add ${address} dev ens4`);
  await ip(root, "link set ens4 up");
}

describe.skipIf(!isRoot)("the VM's own network", () => {
  test("an address that comes late is waited for, one that never comes is told", async () => {
    await expect(setUp({}, { timeoutMs: 50 })).rejects.toThrow(
      "the VM's network has no default route yet, after 50 ms",
    );
    const done = setUp();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await giveVmItsAddress();
    await done;
    expect(await names(pod)).toContain("eth0");
  });

  test("waiting can be cancelled", async () => {
    const abort = new AbortController();
    const waiting = setUp({}, { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  });

  test("of several default routes the interface of the lower number is the VM's", async () => {
    await giveVmItsAddress();
    await ip(node, `link add uplink1 type veth peer name ens1 netns ${root}`);
    await ip(node, "link set uplink1 up");
    await ip(root, "link set ens1 up");
    await ip(root, "address add 10.9.0.2/24 dev ens1");
    await ip(root, "route add default via 10.9.0.1 metric 500");
    await expect(setUp({ dedicated: true }, { hostInterface: "ens1" })).rejects.toThrow(/not the primary one/);
  });
});

describe.skipIf(!isRoot)("external network by the VM", () => {
  beforeEach(giveVmItsAddress);
  const external = { "external-net-via-pod-vm": true };

  test("the second interface goes to the pod and takes the default route", async () => {
    await addSecondInterface("10.10.0.7/24");
    await setUp(external);
    expect(await names(root)).toEqual(["lo", "ens3"]);
    expect(await routes()).toEqual(expect.arrayContaining(["default via 10.10.0.1 dev ens4"]));
    expect((await routes()).filter((route) => route.startsWith("default"))).toHaveLength(1);
  });

  test("threat 65: the metadata service stays out of the workload's reach", async () => {
    await addSecondInterface("10.10.0.7/24");
    await setUp(external);
    for (const service of ["169.254.169.254", "168.63.129.16"])
      await expect(ip(pod, `route get ${service}`)).rejects.toThrow();
  });

  test("one whose gateway can't be reached from the pod leaves it the tunnel's way out", async () => {
    await addSecondInterface("10.20.0.2/24");
    await ip(root, "route add default via 192.0.2.1 dev ens4 onlink metric 500");
    await setUp(external);
    expect(await routes()).toEqual(expect.arrayContaining(["default via 10.128.0.1 dev eth0"]));
    expect(lines.join("")).toContain("the pod has no external interface");
  });

  test("without one the pod keeps its tunnel, and the log says why", async () => {
    await setUp(external);
    expect(await names(pod)).toEqual(["lo", "eth0"]);
    expect(lines.join("")).toContain("the VM has no second interface with a way out");
  });
});

describe.skipIf(!isRoot)("real packets between the worker's CNI and the pod", () => {
  let cni: string;

  beforeEach(async () => {
    await giveVmItsAddress();
    const [workerPod, cluster] = [await networkNamespace(), await networkNamespace()];
    await connectWorkerSide({ node, workerPod, cluster }, { vmAddress: "10.10.0.2", vxlanId: 555000, vxlanPort: 4789 });
    cni = cluster;
    await setUp();
  });

  /** Runs a line of JavaScript in a namespace until it ends by itself. */
  async function node_(namespace: string, script: string): Promise<string> {
    return (await runToSuccess(process.execPath, ["-e", script], { networkNamespace: namespace })).toString();
  }

  test("ICMP both ways, also of the largest packet, and TCP and UDP both ways", async (context) => {
    const busybox = "/bin/busybox";
    if (fs.existsSync(busybox)) {
      for (const [namespace, target] of [
        [cni, "10.128.0.2"],
        [pod, "10.128.0.1"],
      ] as const)
        for (const size of ["56", String(1450 - 28)]) {
          const ping = ["ping", "-c", "1", "-W", "5", "-s", size, target];
          const result = await runProgram(busybox, ping, { networkNamespace: namespace });
          expect([target, size, result.stdout.toString()]).toEqual([
            target,
            size,
            expect.stringContaining("1 packets received"),
          ]);
        }
    } else context.annotate("no busybox, no ICMP");

    for (const [server, address, client] of [
      [pod, "10.128.0.2", cni],
      [cni, "10.128.0.1", pod],
    ] as const) {
      const port = 8765;
      const tcp = node_(
        server,
        `require("net").createServer((s) => { s.on("end", () => process.exit()); s.end(Buffer.alloc(2e6, 1)); s.resume(); }).listen(${port}, "${address}")`,
      );
      const received = await node_(
        client,
        `const net = require("net"); let n = 0, tries = 0;
         const go = () => net.connect(${port}, "${address}").on("data", (d) => { n += d.length; }).on("end", () => console.log(n))
           .on("error", () => { if (tries++ < 200) setTimeout(go, 25); }); go();`,
      );
      expect(received.trim()).toBe("2000000");
      await tcp;
      const udp = node_(
        server,
        `const s = require("dgram").createSocket("udp4"); s.on("message", (m, r) => s.send(m, r.port, r.address, () => s.close())); s.bind(${port}, "${address}")`,
      );
      const echoed = await node_(
        client,
        `const s = require("dgram").createSocket("udp4"); const t = setInterval(() => s.send("hello", ${port}, "${address}"), 50);
         s.on("message", (m) => { console.log(m.toString()); clearInterval(t); s.close(); }); s.on("error", () => {});`,
      );
      expect(echoed.trim()).toBe("hello");
      await udp;
    }
  });
});
