import { getuid } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../../guest/sys/program.ts";
import { sampleConfiguration } from "../network/pod-network-samples.ts";
import { ip } from "../network/support.ts";
import { arriving } from "../network/udp-delivery.ts";
import { vxlanPacket } from "../network/vxlan-packet.ts";
import { type Registry, startRegistry } from "../registry/registry.ts";
import { leftovers } from "../stack/leftovers.ts";
import { listeningSockets } from "./listening-sockets.ts";
import { fetchFrom, runScript, setIpv4, startPage, tftpServer } from "./namespace-programs.ts";
import { openPod, type Pod } from "./pod-fixture.ts";
import { apfWithNetwork, initdataFor, type PodVm, startPodVm } from "./pod-vm-fixture.ts";
import { addresses, buildWorkerAndVm, type WorkerAndVm } from "./tunnel-fixture.ts";

const vxlanId = sampleConfiguration["vxlan-id"] as number;
const redHatPort = 9000;

describe.skipIf(getuid?.() !== 0)("a pod behind its worker's tunnel, on Red Hat's port (needs root)", () => {
  let machines: WorkerAndVm;
  let registry: Registry;
  let vm: PodVm;
  let pod: Pod;

  beforeAll(async () => {
    machines = await buildWorkerAndVm({ vxlanId, vxlanPort: redHatPort });
    registry = await startRegistry({ network: { namespace: machines.node, address: addresses.worker } });
    vm = await startPodVm(machines, {
      initdata: initdataFor(registry.host),
      apf: apfWithNetwork({ "vxlan-port": redHatPort }),
    });
    pod = await openPod(vm, registry);
  }, 120_000);

  afterAll(async () => {
    await pod?.[Symbol.asyncDispose]();
    await machines?.[Symbol.asyncDispose]();
    if (vm !== undefined) expect(leftovers(vm)).toEqual([]);
  }, 60_000);

  test("N1: TCP 15150 with mutual TLS and UDP 9000 are open in the VM, and nothing else; nothing is on TCP 9000", async () => {
    expect(await listeningSockets(machines.vm)).toEqual({ tcp: ["0.0.0.0:15150"], udp: ["0.0.0.0:9000"] });
  });

  test("A1, N7: the cluster gets a page of the workload through the tunnel; exec into it is refused", async () => {
    const page = "hello from inside";
    const id = await pod.start([
      "/bin/sh",
      "-c",
      `mkdir /www; echo ${page} > /www/index.html; httpd -f -p 8888 -h /www`,
    ]);
    expect(await fetchFrom(machines.cluster, `http://${addresses.pod}:8888/`)).toBe(page);
    await expect(pod.shim.exec(id, "e1", ["/bin/cat", "/www/index.html"])).rejects.toMatchObject({
      code: "permission-denied",
    });
    expect(await fetchFrom(machines.cluster, `http://${addresses.pod}:8888/`)).toBe(page);
    await pod.shim.removeContainer(id);
  });

  test("N5, A11: a container asks by UDP through the tunnel and gets its answer", async () => {
    const serving = runScript(machines.cluster, tftpServer("greeting"));
    const get = `until tftp -g -r any -l - ${addresses.cluster} 6969; do sleep 0.1; done`;
    const { status, stdout } = await pod.run(["/bin/timeout", "20", "/bin/sh", "-c", get]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "greeting" });
    await serving;
  });

  test("N5, A11: the cluster asks by UDP and something in the pod echoes", async () => {
    const echo = `const s = require("dgram").createSocket("udp4");
      s.on("message", (m, r) => s.send(m, r.port, r.address, () => s.close())).bind(5000)`;
    const echoing = runScript(vm.networkNamespace, echo);
    const ask = `const s = require("dgram").createSocket("udp4");
      const t = setInterval(() => s.send("hello", 5000, "${addresses.pod}"), 100);
      s.on("error", () => {}).on("message", (m) => { console.log(m.toString()); clearInterval(t); s.close(); });`;
    expect(await runScript(machines.cluster, ask)).toBe("hello");
    await echoing;
  });

  test("N5: ICMP both ways, from a container and to it", async () => {
    const outwards = await pod.run(["/bin/ping", "-c", "1", "-W", "5", addresses.cluster]);
    expect(outwards).toMatchObject({ status: 0, stdout: expect.stringContaining("1 packets received") });
    const inwards = await runProgram("/bin/busybox", ["ping", "-c", "1", "-W", "5", addresses.pod], {
      networkNamespace: machines.cluster,
    });
    expect(inwards.stdout.toString()).toContain("1 packets received");
  });

  test("V7: two containers share localhost; 8006 is the data hub's and 8080 the workload's", async () => {
    expect(await listeningSockets(vm.networkNamespace)).toEqual({ tcp: ["127.0.0.1:8006"], udp: [] });
    const server = await pod.start([
      "/bin/sh",
      "-c",
      "mkdir /www; echo neighbour > /www/index.html; httpd -f -p 127.0.0.1:8080 -h /www",
    ]);
    const fetch = "until wget -q -O - http://127.0.0.1:8080/; do sleep 0.1; done";
    expect(await pod.run(["/bin/timeout", "20", "/bin/sh", "-c", fetch])).toMatchObject({
      status: 0,
      stdout: "neighbour\n",
    });
    await pod.shim.removeContainer(server);
  });

  test("threat 128: a container can't take 8006, on loopback or on all addresses", async () => {
    for (const address of ["127.0.0.1:8006", "8006"]) {
      const { status, stderr } = await pod.run(["/bin/httpd", "-f", "-p", address]);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("Address already in use") });
    }
  });

  test("threat 121: who isn't the worker can't speak to the pod by the VM's tunnel port", async () => {
    const inTunnel = (text: string): Buffer => vxlanPacket({ vxlanId, port: 7777, payload: Buffer.from(text) });
    const receiver = { namespace: vm.networkNamespace, port: 7777 };
    const toVm = { to: addresses.vm, port: redHatPort };
    const packets = [
      { ...toVm, from: addresses.stranger, data: inTunnel("spoofed") },
      { ...toVm, from: addresses.worker, data: inTunnel("end") },
    ];
    expect(await arriving(receiver, machines.node, packets)).toEqual(["end"]);
  });

  test("threat 123: a packet for 127.0.0.1 that comes out of the tunnel is dropped", async () => {
    const { cluster } = machines;
    await ip(cluster, "address del 127.0.0.1/8 dev lo");
    await ip(cluster, `route add 127.0.0.0/8 via ${addresses.pod} dev cni0`);
    setIpv4(cluster, "cni0/route_localnet", "1");
    const receiver = { namespace: vm.networkNamespace, port: 7778 };
    const packets = ["127.0.0.1", addresses.pod].map((to, index) => ({
      ...{ from: addresses.cluster, to, port: 7778 },
      data: Buffer.from(index === 0 ? "to loopback" : "end"),
    }));
    expect(await arriving(receiver, cluster, packets)).toEqual(["end"]);
    // The packets do come so far: a pod that wanted them would get them.
    setIpv4(vm.networkNamespace, "all/route_localnet", "1");
    expect(await arriving(receiver, cluster, packets)).toEqual(["to loopback", "end"]);
    setIpv4(vm.networkNamespace, "all/route_localnet", "0");
  });

  test("threat 126: the VM's metadata service is out of the pod's reach: what asks for it ends in the cluster", async () => {
    const metadata = { host: "169.254.169.254", port: 80 };
    await using _vms = await startPage({ ...metadata, namespace: machines.node, page: "the VM's secrets" });
    await using _clusters = await startPage({ ...metadata, namespace: machines.cluster, page: "the cluster's" });
    expect(await fetchFrom(machines.vm, "http://169.254.169.254/")).toBe("the VM's secrets");
    const { stdout } = await pod.run(["/bin/wget", "-q", "-O", "-", "http://169.254.169.254/"]);
    expect(stdout).toBe("the cluster's");
  });

  test("the tunnel is the reference's in the words of ip", async () => {
    const [eth0] = JSON.parse(await ip(vm.networkNamespace, "-details -json link show dev eth0"));
    expect(eth0).toMatchObject({
      address: "0a:58:0a:80:00:02",
      mtu: 1450,
      linkinfo: {
        info_kind: "vxlan",
        info_data: { id: vxlanId, remote: addresses.worker, port: redHatPort, learning: false },
      },
    });
  });
});
