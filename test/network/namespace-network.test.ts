import { beforeEach, describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { NamespaceNetwork } from "../../guest/network/namespace-network.ts";
import type { ARPNeighbor, Interface, IPAddress, Route } from "../../guest/rpc/messages/types.ts";
import { IPFamily } from "../../guest/rpc/messages/types.ts";
import { writeKernelFile } from "../../guest/sys/file.ts";
import { inNamespace } from "../../guest/sys/namespace.ts";
import { isRoot } from "../sys/root.ts";
import { connectedNamespaces, ip } from "./support.ts";

let pod: string;
let network: NamespaceNetwork;
const mac = "0a:58:0a:80:00:02";

/** A namespace as a pod has it before the agent hears of it: one cable, without name, address or route. */
beforeEach(async () => {
  const { near, far } = await connectedNamespaces();
  pod = near;
  network = new NamespaceNetwork(pod);
  await ip(pod, `link set left address ${mac}`);
  await ip(far, "link set right up");
});

function address(text: string, mask: string, family: number = IPFamily.v4): IPAddress {
  return { address: text, mask, family };
}

function wantedInterface(overrides: Partial<Interface> = {}): Interface {
  return {
    device: "eth0",
    name: "eth0",
    IPAddresses: [address("10.128.0.2", "24")],
    mtu: 1450n,
    hwAddr: mac,
    devicePath: "",
    type: "",
    raw_flags: 0,
    ...overrides,
  };
}

function wantedRoute(overrides: Partial<Route>): Route {
  return { dest: "", gateway: "", device: "eth0", source: "", scope: 0, family: 0, flags: 0, mtu: 0, ...overrides };
}

function wantedNeighbor(overrides: Partial<ARPNeighbor>): ARPNeighbor {
  return {
    toIPAddress: address("10.128.0.9", "32"),
    device: "eth0",
    lladdr: "ee:ee:ee:ee:ee:ee",
    state: 0,
    flags: 0,
    ...overrides,
  };
}

async function failure(action: Promise<unknown>): Promise<GuestError> {
  const error: unknown = await action.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof GuestError) return error;
  throw error;
}

/** All that a refused request must leave as it was, without what the kernel does by itself in the meantime. */
async function state(): Promise<unknown> {
  const links = (await network.listInterfaces()).map((link) => ({
    ...link,
    IPAddresses: link.IPAddresses?.filter((entry) => entry?.address?.startsWith("fe80") !== true),
  }));
  const routes = (await network.listRoutes()).filter(({ dest }) => dest?.startsWith("fe80") !== true);
  return { links, routes, neighbors: await ip(pod, "neighbor show nud permanent") };
}

/** Each of these requests is refused, and changes nothing. */
async function expectRefusals<T>(
  requests: readonly (readonly [string, T])[],
  send: (request: T) => Promise<unknown>,
  code = /^(invalid-argument|permission-denied)$/,
): Promise<void> {
  const before = await state();
  for (const [what, request] of requests)
    expect([what, (await failure(send(request))).code]).toEqual([what, expect.stringMatching(code)]);
  expect(await state()).toEqual(before);
}

describe.skipIf(!isRoot)("UpdateInterface and ListInterfaces", () => {
  test("an interface is found by its hardware address and gets what was asked for", async () => {
    const wanted = wantedInterface({
      hwAddr: mac.toUpperCase(),
      IPAddresses: [address("10.128.0.2", "24"), address("fd00:1::2", "64", IPFamily.v6)],
    });
    await network.updateInterface(wanted);
    const listed = await network.listInterfaces();
    expect(listed.map(({ name }) => name)).toEqual(["lo", "eth0"]);
    const eth0 = listed[1];
    expect(eth0).toMatchObject({ hwAddr: "0A:58:0A:80:00:02", mtu: 1450n });
    expect(eth0?.IPAddresses).toEqual(
      expect.arrayContaining([
        { family: IPFamily.v4, address: "10.128.0.2", mask: "24" },
        { family: IPFamily.v6, address: "fd00:1::2", mask: "64" },
      ]),
    );
    expect(listed[0]?.IPAddresses?.[0]).toEqual({ family: IPFamily.v4, address: "127.0.0.1", mask: "8" });
    expect(await ip(pod, "link show eth0")).toMatch(/[<,]UP[,>]/);
    await network.updateInterface(wanted);
  });

  test("flags, and nothing that wasn't asked for", async () => {
    await network.updateInterface(wantedInterface({ mtu: 0n, raw_flags: 0x80, IPAddresses: [] }));
    const link = await ip(pod, "link show eth0");
    expect(link).toMatch(/NOARP/);
    expect(link).toMatch(/mtu 1500/);
  });

  test("a name that another interface has is swapped", async () => {
    await ip(pod, "link add eth0 type bridge");
    await ip(pod, "link set eth0 up");
    await network.updateInterface(wantedInterface());
    expect(await ip(pod, "-details link show left")).toMatch(/[<,]UP[,>][\s\S]*bridge/);
    expect(await ip(pod, "link show eth0")).toContain(mac);
  });

  test("IPv6 addresses are left out where IPv6 is off", async () => {
    inNamespace("net", pod, () => writeKernelFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"));
    const both = [address("fd00:1::2", "64", IPFamily.v6), address("10.128.0.2", "24")];
    await network.updateInterface(wantedInterface({ IPAddresses: both }));
    const eth0 = (await network.listInterfaces()).find(({ name }) => name === "eth0");
    expect(eth0?.IPAddresses?.map((entry) => entry?.address)).toEqual(["10.128.0.2"]);
  });

  test("the words that shims wait for when the interface isn't there yet", async () => {
    const error = await failure(network.updateInterface(wantedInterface({ hwAddr: "0A:58:0a:80:00:ff" })));
    expect(error.message).toBe("Link not found (Address: 0A:58:0a:80:00:ff)");
    expect(error.code).toBe("internal");
  });

  const refused: readonly [string, Partial<Interface>][] = [
    ["loopback by its hardware address", { hwAddr: "00:00:00:00:00:00" }],
    ["a group's hardware address", { hwAddr: "01:00:5e:00:00:01" }],
    ["a hardware address that is none", { hwAddr: "0a:58:0a:80:00:02 up" }],
    ["the name lo", { name: "lo" }],
    ["a name like lo", { name: "LO0" }],
    ["an option for a name", { name: "-batch" }],
    ["a path for a name", { name: "../../x" }],
    ["a long name", { name: "sixteen-letters_" }],
    ["two words for a name", { name: "eth0 up" }],
    ["a name of the kernel's configuration", { name: "all" }],
    ["no name", { name: "" }],
    ["a tiny MTU", { mtu: 10n }],
    ["a giant MTU", { mtu: 1n << 40n }],
    ["a mask over 32", { IPAddresses: [address("10.0.0.2", "33")] }],
    ["no mask", { IPAddresses: [address("10.0.0.2", "")] }],
    ["a mask with more words", { IPAddresses: [address("10.0.0.2", "24 dev lo")] }],
    ["an address that is none", { IPAddresses: [address("10.0.0", "24")] }],
    ["a group's address", { IPAddresses: [address("224.0.0.1", "32")] }],
    ["too many addresses", { IPAddresses: Array.from({ length: 65 }, (_, n) => address(`10.1.0.${n + 1}`, "24")) }],
  ];
  test("threat 65: requests that could be taken for something else are refused", async () => {
    await expectRefusals(refused, (overrides) => network.updateInterface(wantedInterface(overrides)));
  });

  const hijacks = [
    ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "169.254.169.254", "169.254.1.1", "168.63.129.16"],
    ...["::1", "0:0::1", "0:0:0:0:0:0:0:1", "::0.0.0.1", "::", "::ffff:127.0.0.1", "::FFFF:7f00:1", "::127.0.0.1"],
    ...["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "FD00:0EC2::0254"],
  ];
  test("threats 65 and 66: reserved addresses are refused in every spelling", async () => {
    const requests = hijacks.map(
      (text) => [text, [address(text, text.includes(":") ? "128" : "32")]] as [string, IPAddress[]],
    );
    const send = (IPAddresses: IPAddress[]): Promise<void> => network.updateInterface(wantedInterface({ IPAddresses }));
    await expectRefusals(requests, send, /^permission-denied$/);
  });

  test("threat 65: the address of another interface is not given twice", async () => {
    await ip(pod, "link add br0 type bridge");
    await ip(pod, "address add 10.128.0.2/24 dev br0");
    const error = await failure(network.updateInterface(wantedInterface()));
    expect(error.message).toBe("the address is one of this machine");
  });

  test("link-local addresses can be allowed, those of metadata services can't", async () => {
    const relaxed = new NamespaceNetwork(pod, "machine-and-metadata");
    await relaxed.updateInterface(wantedInterface({ IPAddresses: [address("169.254.1.9", "32")] }));
    const metadata = wantedInterface({ IPAddresses: [address("169.254.169.254", "32")] });
    expect((await failure(relaxed.updateInterface(metadata))).code).toBe("permission-denied");
  });
});

describe.skipIf(!isRoot)("UpdateRoutes and ListRoutes", () => {
  beforeEach(async () => {
    await network.updateInterface(
      wantedInterface({ IPAddresses: [address("10.128.0.2", "24"), address("fd00:1::2", "64", 1)] }),
    );
  });

  test("routes are set whatever their order, listed with their destinations, and set again without harm", async () => {
    const wanted = [
      wantedRoute({ dest: "", gateway: "10.128.0.1" }),
      wantedRoute({ dest: "172.30.0.0/16", gateway: "10.200.0.1", mtu: 1400 }),
      wantedRoute({ dest: "10.200.0.1/24", source: "10.128.0.2/24", scope: 253 }),
      wantedRoute({ dest: "::", gateway: "fd00:1::1", family: IPFamily.v6 }),
      wantedRoute({ dest: "fd00:2::/64", gateway: "fd00:1::1", family: IPFamily.v6 }),
    ];
    await network.updateRoutes(wanted);
    await network.updateRoutes(wanted);
    const listed = await network.listRoutes();
    const v4 = { device: "eth0", source: "", scope: 0, family: IPFamily.v4, mtu: 0, gateway: "" };
    const v6 = { ...v4, family: IPFamily.v6 };
    expect(listed).toEqual(
      expect.arrayContaining([
        { ...v4, dest: "0.0.0.0", gateway: "10.128.0.1" },
        { ...v4, dest: "172.30.0.0/16", gateway: "10.200.0.1", mtu: 1400 },
        { ...v4, dest: "10.200.0.0/24", source: "10.128.0.2", scope: 253 },
        { ...v4, dest: "10.128.0.0/24", source: "10.128.0.2", scope: 253 },
        { ...v6, dest: "::", gateway: "fd00:1::1" },
        { ...v6, dest: "fd00:2::/64", gateway: "fd00:1::1" },
      ]),
    );
    // What was listed can be given back.
    const again = listed.map((route) => wantedRoute(route as Route)).filter(({ dest }) => !dest.startsWith("fe80"));
    await network.updateRoutes(again);
    expect(await network.listRoutes()).toEqual(expect.arrayContaining(listed));
  });

  test("routes that are there and weren't named stay; one that was is replaced", async () => {
    await network.updateRoutes([wantedRoute({ dest: "10.1.0.0/16", gateway: "10.128.0.1" })]);
    await network.updateRoutes([wantedRoute({ dest: "10.2.0.0/16", gateway: "10.128.0.1" })]);
    await network.updateRoutes([wantedRoute({ dest: "10.1.0.0/16", gateway: "10.128.0.3" })]);
    const routes = (await network.listRoutes()).map(({ dest, gateway }) => `${dest} ${gateway}`);
    expect(routes).toEqual(expect.arrayContaining(["10.1.0.0/16 10.128.0.3", "10.2.0.0/16 10.128.0.1"]));
    expect(routes).not.toContain("10.1.0.0/16 10.128.0.1");
  });

  test("a gateway outside of every network works with the onlink flag only", async () => {
    const route = wantedRoute({ dest: "10.9.0.0/16", gateway: "192.168.77.1" });
    expect((await failure(network.updateRoutes([route]))).message).toMatch(
      /^ip -4 route replace 10\.9\.0\.0\/16 via 192\.168\.77\.1 dev eth0: .*Nexthop has invalid gateway\.$/,
    );
    await network.updateRoutes([{ ...route, flags: 4 }]);
    expect(await ip(pod, "route show 10.9.0.0/16")).toContain("onlink");
  });

  test("routes over several gateways are listed one by one, unreachable ones not at all", async () => {
    await ip(pod, "route add 10.3.0.0/16 nexthop via 10.128.0.1 dev eth0 nexthop via 10.128.0.3 dev eth0");
    await ip(pod, "route add blackhole 10.4.0.0/16");
    const listed = (await network.listRoutes()).map(({ dest, gateway }) => `${dest} ${gateway}`);
    expect(listed).toEqual(expect.arrayContaining(["10.3.0.0/16 10.128.0.1", "10.3.0.0/16 10.128.0.3"]));
    expect(listed.some((route) => route.startsWith("10.4."))).toBe(false);
  });

  const refused: readonly [string, Partial<Route>][] = [
    ...["127.0.0.0/8", "127.0.0.1", "126.0.0.0/7", "169.254.169.254/32", "169.254.0.0/16", "128.0.0.0/1"].map(named),
    ...["::1", "0:0::1/128", "::/3", "::ffff:127.0.0.0/104", "::ffff:169.254.169.254", "fd00:ec2::/32"].map(named),
    ...["0.0.0.0/1", "168.63.129.16"].map(named),
    ["the own address", { dest: "10.128.0.2" }],
    ["the own address in IPv6 clothes", { dest: "::ffff:10.128.0.2" }],
    ["the own address as the gateway", { dest: "10.5.0.0/16", gateway: "10.128.0.2" }],
    ["loopback as the gateway", { dest: "10.5.0.0/16", gateway: "127.0.0.1" }],
    ["the loopback interface", { dest: "10.5.0.0/16", device: "lo" }],
    ["no interface", { dest: "10.5.0.0/16", device: "" }],
    ["words in place of a destination", { dest: "default via 1.2.3.4" }],
    ["words behind a gateway", { dest: "10.5.0.0/16", gateway: "10.128.0.1 table local" }],
    ["an option", { dest: "-6" }],
    ["a prefix that is none", { dest: "10.5.0.0/16/3" }],
    ["a scope that is none", { dest: "10.5.0.0/16", scope: 256 }],
    ["a source of the other family", { dest: "10.5.0.0/16", source: "fd00:1::2" }],
  ];
  function named(dest: string): [string, Partial<Route>] {
    return [dest, { dest, gateway: dest.includes(":") ? "fd00:1::1" : "10.128.0.1" }];
  }
  test("threats 65 and 66: hijacks and ambiguities are refused, with the good route beside them", async () => {
    const good = wantedRoute({ dest: "10.77.0.0/16", gateway: "10.128.0.1" });
    await expectRefusals(refused, (overrides) => network.updateRoutes([good, wantedRoute(overrides)]));
  });

  test("an interface that isn't there, and too many routes", async () => {
    const missing = await failure(network.updateRoutes([wantedRoute({ dest: "10.5.0.0/16", device: "eth7" })]));
    expect(missing.message).toBe("Link not found (Name: eth7)");
    const many = Array.from({ length: 257 }, () => wantedRoute({ dest: "10.5.0.0/16" }));
    expect((await failure(network.updateRoutes(many))).message).toBe("there are at most 256 routes");
  });
});

describe.skipIf(!isRoot)("AddARPNeighbors", () => {
  beforeEach(async () => {
    await network.updateInterface(wantedInterface());
  });

  test("entries are permanent unless told otherwise, and replace what is there", async () => {
    await network.addNeighbors([
      wantedNeighbor({}),
      wantedNeighbor({ toIPAddress: address("fd00:1::9", "", 1), state: 64 }),
    ]);
    await network.addNeighbors([wantedNeighbor({ lladdr: "EE:EE:EE:EE:EE:01" })]);
    const table = await ip(pod, "neighbor show nud all");
    expect(table).toContain("10.128.0.9 dev eth0 lladdr ee:ee:ee:ee:ee:01 PERMANENT");
    expect(table).toMatch(/fd00:1::9 dev eth0 lladdr ee:ee:ee:ee:ee:ee NOARP/);
    await network.addNeighbors([]);
  });

  const refused: readonly [string, Partial<ARPNeighbor>][] = [
    ["the own address", { toIPAddress: address("10.128.0.2", "") }],
    ["the own address in IPv6 clothes", { toIPAddress: address("::ffff:10.128.0.2", "") }],
    ["loopback", { toIPAddress: address("127.0.0.1", "") }],
    ["the metadata service", { toIPAddress: address("169.254.169.254", "") }],
    ["no address", { toIPAddress: null }],
    ["the loopback interface", { device: "lo" }],
    ["two words", { device: "eth0 proxy" }],
    ["a group's hardware address", { lladdr: "ff:ff:ff:ff:ff:ff" }],
    ["a state that is none", { state: 3 }],
  ];
  test("threat 65: hijacks and ambiguities are refused, with the good entry beside them", async () => {
    const good = wantedNeighbor({ toIPAddress: address("10.128.0.77", "") });
    await expectRefusals(refused, (overrides) => network.addNeighbors([good, wantedNeighbor(overrides)]));
  });
});
