import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../guest/core/json.ts";
import { parsePodNetworkConfiguration } from "../../guest/network/pod-network-configuration.ts";
import { formatIpAddress } from "../../guest/sys/ip-address.ts";
import { sampleConfiguration } from "./pod-network-samples.ts";

function parse(overrides: Readonly<Record<string, JsonValue>> = {}): ReturnType<typeof parsePodNetworkConfiguration> {
  return parsePodNetworkConfiguration({ ...sampleConfiguration, ...overrides });
}

function errorOf(value: JsonValue): GuestError {
  try {
    parsePodNetworkConfiguration(value);
  } catch (error) {
    if (error instanceof GuestError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("what workers send", () => {
  test("the sample", () => {
    const parsed = parse();
    expect(formatIpAddress(parsed.podAddress.address)).toBe("10.128.0.2");
    expect(formatIpAddress(parsed.workerAddress)).toBe("10.10.0.1");
    expect(parsed).toMatchObject({
      interfaceName: "eth0",
      podAddress: { length: 24 },
      hardwareAddress: "0a:58:0a:80:00:02",
      mtu: 1450,
      vxlanPort: 4789,
      vxlanId: 555000,
      dedicated: false,
      externalNetworkViaPodVm: false,
      neighbors: [],
    });
    expect(parsed.routes).toEqual([
      { destination: "default", gateway: "10.128.0.1", protocol: 3 },
      { destination: "10.128.0.0/24", gateway: undefined, protocol: 2 },
    ]);
  });

  test("every spelling of the default route, keys in any case, null lists, absent protocol and scope", () => {
    const routes = ["::ffff:0.0.0.0/0", "0.0.0.0/0", ""].map((Dst) => ({ Dst, GW: "10.128.0.1", Dev: "eth0" }));
    expect(parse({ routes }).routes).toEqual(
      routes.map(() => ({ destination: "default", gateway: "10.128.0.1", protocol: 3 })),
    );
    expect(parse({ routes: null, neighbors: null, "unknown-key": [1] })).toMatchObject({ routes: [], neighbors: [] });
    const { podip, ...rest } = sampleConfiguration;
    expect(parsePodNetworkConfiguration({ ...rest, PodIP: podip ?? "" }).podAddress.length).toBe(24);
  });

  test("Calico: a /32, a link-local gateway, its permanent neighbour", () => {
    const parsed = parse({
      podip: "192.168.3.9/32",
      routes: [
        { dst: "", gw: "169.254.1.1", dev: "eth0", protocol: "boot" },
        { dst: "169.254.1.1/32", gw: "", dev: "eth0", protocol: "boot", scope: "link" },
      ],
      neighbors: [{ ip: "169.254.1.1", "hw-addr": "ee:ee:ee:ee:ee:ee", dev: "eth0", state: "permanent" }],
    });
    expect(parsed.routes[1]).toEqual({ destination: "169.254.1.1/32", gateway: undefined, protocol: 3 });
    expect(parsed.neighbors).toEqual([{ address: "169.254.1.1", hardwareAddress: "ee:ee:ee:ee:ee:ee" }]);
  });

  test("the MTU is never over what fits into the tunnel; Red Hat's port is taken", () => {
    expect(parse({ mtu: 9000 }).mtu).toBe(1450);
    expect(parse({ mtu: 1400 }).mtu).toBe(1400);
    expect(parse({ "vxlan-port": 9000 }).vxlanPort).toBe(9000);
  });
});

describe("threat 122: each broken field is named", () => {
  const broken: readonly [string, JsonValue, RegExp][] = [
    ["tunnel-type", "geneve", /^pod-network: tunnel-type: unknown tunnel type "geneve"$/],
    ["tunnel-type", 5, /^pod-network: tunnel-type: tunnel-type is no string$/],
    ["podip", "10.128.0.2", /^pod-network: podip: a prefix needs a length/],
    ["podip", "10.128.0.2/33", /^pod-network: podip: not a prefix length/],
    ["podip", "127.0.0.5/8", /^pod-network: podip: the address is reserved/],
    ["podip", "224.0.0.5/8", /^pod-network: podip: the address is that of a group/],
    ["podip", "fd00::5/64", /^pod-network: podip: workers tunnel IPv4 only/],
    ["podip", "::ffff:10.128.0.2/120", /^pod-network: podip: an IPv4 address is written as IPv6/],
    ["podip", null, /^pod-network: podip: /],
    ["pod-hw-addr", "ff:ff:ff:ff:ff:ff", /^pod-network: pod-hw-addr: not the hardware address of a station/],
    ["pod-hw-addr", "", /^pod-network: pod-hw-addr: not a hardware address/],
    ["interface", "", /^pod-network: interface: not the name/],
    ["interface", "lo", /^pod-network: interface: the loopback interface/],
    ["interface", "eth0;id", /^pod-network: interface: not the name/],
    ["worker-node-ip", "10.10.0.1", /^pod-network: worker-node-ip: a prefix needs/],
    ["worker-node-ip", "fd00::1/64", /^pod-network: worker-node-ip: workers tunnel IPv4 only/],
    ["mtu", 100, /^pod-network: mtu: the MTU is not within/],
    ["mtu", "1450", /^pod-network: mtu: mtu is no number/],
    ["mtu", 1450.5, /^pod-network: mtu: the MTU is not within/],
    ["vxlan-port", 0, /^pod-network: vxlan-port: the port is not within/],
    ["vxlan-port", 70_000, /^pod-network: vxlan-port: /],
    ["vxlan-id", 0, /^pod-network: vxlan-id: /],
    ["vxlan-id", 1 << 24, /^pod-network: vxlan-id: /],
    ["dedicated", "yes", /^pod-network: dedicated is neither/],
    ["routes", {}, /^pod-network: routes is no list/],
    ["routes", [null], /^pod-network: routes is no list/],
    ["routes", [{ dst: "10.0.0.0/8", protocol: "bgp" }], /^pod-network: routes\[0\]: unknown protocol/],
    ["routes", [{ dst: "10.0.0.0/8", scope: "galaxy" }], /^pod-network: routes\[0\]: unknown scope/],
    ["routes", [{ dst: "10.0.0.0/8", dev: "eth1" }], /^pod-network: routes\[0\]: dev is not eth0/],
    ["routes", [{ dst: "10.0.0.0" }], /^pod-network: routes\[0\]: a prefix needs/],
    ["routes", [{ dst: "127.0.0.0/8" }], /^pod-network: routes\[0\]: the address is reserved \(this machine\)/],
    ["routes", [{ dst: "126.0.0.0/7" }], /^pod-network: routes\[0\]: the address is reserved/],
    ["routes", [{ dst: "169.254.169.254/32" }], /^pod-network: routes\[0\]: .*reserved \(metadata service\)/],
    ["routes", [{ dst: "168.63.129.16/32", gw: "10.128.0.1" }], /^pod-network: routes\[0\]: .*reserved/],
    ["routes", [{ dst: "10.0.0.0/8", gw: "127.0.0.1" }], /^pod-network: routes\[0\]: the address is reserved/],
    ["routes", Array.from({ length: 257 }, () => ({})), /^pod-network: routes has over 256 entries/],
    ["neighbors", [{ ip: "10.0.0.1", "hw-addr": "nonsense" }], /^pod-network: neighbors\[0\]: not a hardware address/],
    ["neighbors", [{ ip: "10.0.0.1", "hw-addr": "02:00:00:00:00:01", state: "happy" }], /unknown state/],
    ["neighbors", [{ "hw-addr": "02:00:00:00:00:01" }], /^pod-network: neighbors\[0\]: not an IP address/],
  ];
  for (const [key, value, message] of broken)
    test(`${key}: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      expect(errorOf({ ...sampleConfiguration, [key]: value }).message).toMatch(message);
    });

  test("anything that is no object", () => {
    for (const value of [null, 1, "x", [], true]) expect(errorOf(value).message).toMatch(/^pod-network: /);
  });

  test("whatever JSON there is in a field, it is taken or refused by a named error", () => {
    const keys = fc.constantFrom(...Object.keys(sampleConfiguration), "__proto__");
    fc.assert(
      fc.property(keys, fc.json({ maxDepth: 3 }), (key, json) => {
        const text = JSON.stringify({ ...sampleConfiguration, [key]: 0 }).replace(
          new RegExp(`"${key}":0(?=[,}])`),
          () => `"${key}":${json}`,
        );
        const value: JsonObject | JsonValue = parseJson(text);
        try {
          parsePodNetworkConfiguration(value);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestError);
          expect(String(error)).toMatch(/pod-network: /);
        }
      }),
      { numRuns: 300 },
    );
  });
});
