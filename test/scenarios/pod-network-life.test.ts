import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { getuid } from "node:process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ip } from "../network/support.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { listeningSockets } from "./listening-sockets.ts";
import { fetchFrom, startPage } from "./namespace-programs.ts";
import { initdataWith } from "./pod-fixture.ts";
import { apfWithNetwork, failToStart, initdataFor, type PodVm, startPodVm } from "./pod-vm-fixture.ts";
import { buildWorkerAndVm, stopProcess, type WorkerAndVm } from "./tunnel-fixture.ts";

const root = resolve(import.meta.dirname, "../..");
const tunnel = { vxlanId: 555000, vxlanPort: 4789 };
const initdata = initdataFor("10.10.0.1:5000");

describe.skipIf(getuid?.() !== 0)("the tunnel from the agent's start to its end (needs root)", () => {
  let machines: WorkerAndVm;
  let vm: PodVm;

  beforeEach(async () => {
    machines = await buildWorkerAndVm(tunnel);
    vm = await startPodVm(machines, { initdata, apf: apfWithNetwork({}) });
  }, 60_000);

  afterEach(async () => {
    await vm?.stop();
    await machines?.[Symbol.asyncDispose]();
  }, 60_000);

  test("N2: TCP 15150 and UDP 4789 are open in the VM, and nothing else", async () => {
    expect(await listeningSockets(machines.vm)).toEqual({ tcp: ["0.0.0.0:15150"], udp: ["0.0.0.0:4789"] });
  });

  test("told to stop, the agent takes tunnel and guard with it", async () => {
    await stopProcess(vm.agent, "SIGTERM");
    await expectNoTunnel();
  });

  test("DestroySandbox ends the agent, and the tunnel with it", async () => {
    const client = await vm.connect();
    const shim = new KataShim(client, "sandbox", vm.stateDirectory);
    await shim.createSandbox();
    const ended = once(vm.agent, "exit");
    await shim.destroySandbox();
    await ended;
    await client.close();
    await expectNoTunnel();
  });

  test("killed and started again, the agent replaces the tunnel that it finds, and packets flow", async () => {
    const before = await eth0();
    await stopProcess(vm.agent, "SIGKILL");
    expect(await eth0()).toEqual(before);
    const again = await vm.restartAgent();
    expect((await eth0())["ifindex"]).not.toBe(before["ifindex"]);
    expect(await listeningSockets(machines.vm)).toEqual({ tcp: ["0.0.0.0:15150"], udp: ["0.0.0.0:4789"] });
    await using _page = await startPage({
      namespace: machines.cluster,
      host: "10.99.0.1",
      port: 80,
      page: "still there",
    });
    expect(await fetchFrom(vm.networkNamespace, "http://10.99.0.1/")).toBe("still there");
    await stopProcess(again, "SIGTERM");
    await expectNoTunnel();
  });

  test("threat 128: a hub that has lost its port to a workload doesn't start, which ends the VM", async () => {
    await stopProcess(vm.hub, "SIGKILL");
    const squatter = { namespace: vm.networkNamespace, host: "127.0.0.1", port: 8006, page: "mine" };
    await using _squatter = await startPage(squatter);
    const [exitCode] = await once(vm.restartHub(), "exit");
    expect(exitCode).toBe(1);
    expect(vm.output()).toMatch(/^podkeep hub: .*EADDRINUSE/m);
    const unit = readFileSync(join(root, "image/tree/usr/lib/systemd/system/podkeep-hub.service"), "utf8");
    expect(unit).toMatch(/^StartLimitAction=poweroff$/m);
  });

  async function eth0(): Promise<Record<string, unknown>> {
    const [link] = JSON.parse(await ip(vm.networkNamespace, "-details -json link show dev eth0"));
    return link;
  }

  async function expectNoTunnel(): Promise<void> {
    const names = JSON.parse(await ip(vm.networkNamespace, "-json link show")).map(
      ({ ifname }: { ifname: string }) => ifname,
    );
    expect(names).toEqual(["lo"]);
    expect(await ip(vm.networkNamespace, "route show")).toBe("");
    expect(await ip(machines.vm, "xfrm policy")).toBe("");
    expect(await listeningSockets(machines.vm)).toEqual({ tcp: [], udp: [] });
  }
});

test.skipIf(getuid?.() !== 0)("an agent that fails while it builds the tunnel leaves none of it behind", async () => {
  await using machines = await buildWorkerAndVm(tunnel);
  const broken = initdataWith({ "policy.rego": "package agent_policy\nallow if {" });
  const options = { initdata: broken, apf: apfWithNetwork({}) };
  const { console } = await failToStart(machines, options, "agent");
  expect(console).toContain("the policy does not load");
  expect(await ip(machines.vm, "xfrm policy")).toBe("");
});

describe.skipIf(getuid?.() !== 0)(
  "N6: a pod of IPv6 gets a clear error, on the console and in the log (needs root)",
  () => {
    let machines: WorkerAndVm;
    beforeAll(async () => {
      machines = await buildWorkerAndVm(tunnel);
    });
    afterAll(() => machines?.[Symbol.asyncDispose]());

    const route6 = { dst: "fd00:10::/64", gw: "", dev: "eth0" };
    test.each([
      ["an IPv6-only pod", { podip: "fd00:10::2/64" }, "podip"],
      ["a worker with IPv6", { "worker-node-ip": "fd00:20::1/64" }, "worker-node-ip"],
      ["an IPv4 pod with an IPv6 route", { routes: [route6] }, "routes[0]"],
      ["an IPv4 pod with an IPv6 gateway", { routes: [{ dst: "", gw: "fd00:10::1", dev: "eth0" }] }, "routes[0]"],
    ])("%s", async (_what, changes, key) => {
      const { exitCode, console, log } = await failToStart(machines, { initdata, apf: apfWithNetwork(changes) });
      const reason = `pod-network: ${key}: workers tunnel IPv4 only; an IPv6 pod can't be connected`;
      expect(exitCode).toBe(1);
      expect(console).toMatch(/^podkeep provision: [^\n]*\n$/);
      expect(console).toContain(reason);
      expect(log).toContain(reason);
    });
  },
);
