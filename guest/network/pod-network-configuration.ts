import { GuestError } from "../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { formatIpAddress, type IpAddress, unmapIpAddress } from "../sys/ip-address.ts";
import {
  checkHardwareAddress,
  checkIpAddress,
  checkLinkName,
  checkNumber,
  checkPrefix,
  formatNetwork,
  type IpPrefix,
} from "./checked-values.ts";
import { refuseMetadataDestination, refuseReservedAddress, refuseReservedDestination } from "./guards.ts";
import { maxNeighbors, maxRoutes, minMtu } from "./limits.ts";

/** The largest frame that the worker puts into a tunnel, whatever its own network takes. */
const maxTunnelMtu = 1450;
const maxConfiguredMtu = 9216;

/** What the worker says of the pod's network, in `pod-network` of apf.json (spec/podnetwork.md 2); checked. */
export interface PodNetworkConfiguration {
  /** Name of the tunnel's interface in the pod's namespace, such as `eth0`. */
  readonly interfaceName: string;
  /** The pod's address with its prefix length. */
  readonly podAddress: IpPrefix;
  readonly hardwareAddress: string;
  /** Never over what fits into the tunnel. */
  readonly mtu: number;
  /** The tunnel's other end. */
  readonly workerAddress: IpAddress;
  readonly vxlanPort: number;
  readonly vxlanId: number;
  /** In the order of the configuration. */
  readonly routes: readonly PodRoute[];
  readonly neighbors: readonly PodNeighbor[];
  /** The worker sends the tunnel to a second interface of the VM. */
  readonly dedicated: boolean;
  /** A second interface of the VM goes to the pod, for traffic with the world outside. */
  readonly externalNetworkViaPodVm: boolean;
}

/** A route of the pod. */
export interface PodRoute {
  /** As `ip` takes it: `default` or a network. */
  readonly destination: string;
  readonly gateway: string | undefined;
  /** Number of the protocol that the worker's CNI set it by (RTPROT_*). */
  readonly protocol: number;
}

/** A neighbour that the pod can't ask for. */
export interface PodNeighbor {
  readonly address: string;
  readonly hardwareAddress: string;
}

const protocols: ReadonlyMap<string, number> = new Map([
  ["", 0],
  ["kernel", 2],
  ["boot", 3],
  ["static", 4],
  ["dhcp", 16],
]);
const scopes: ReadonlySet<string> = new Set(["", "universe", "site", "link", "host", "nowhere"]);
const neighborStates: ReadonlySet<string> = new Set([
  ...["", "none", "incomplete", "reachable", "stale", "delay", "probe", "failed", "noarp", "permanent"],
]);

/**
 * Checks the configuration. It comes from the host. Its writer is Go: keys match in any case where there is no exact match,
 * `null` is an absent value, unknown keys are skipped.
 *
 * @throws GuestError `invalid-argument` that names the key; `permission-denied` for routes into this machine
 */
export function parsePodNetworkConfiguration(value: JsonValue): PodNetworkConfiguration {
  if (!isJsonObject(value)) throw new GuestError("invalid-argument", "pod-network: it is no JSON object");
  const tunnel = named("tunnel-type", () => textOf(value, "tunnel-type"));
  if (tunnel !== "vxlan")
    throw new GuestError("invalid-argument", `pod-network: tunnel-type: unknown tunnel type "${tunnel}"`);
  const interfaceName = named("interface", () => checkLinkName(textOf(value, "interface")));
  return {
    interfaceName,
    podAddress: named("podip", () => stationPrefix(textOf(value, "podip"))),
    hardwareAddress: named("pod-hw-addr", () => checkHardwareAddress(textOf(value, "pod-hw-addr"))),
    mtu: named("mtu", () =>
      Math.min(checkNumber("the MTU", numberOf(value, "mtu"), minMtu, maxConfiguredMtu), maxTunnelMtu),
    ),
    workerAddress: named("worker-node-ip", () => stationPrefix(textOf(value, "worker-node-ip")).address),
    vxlanPort: named("vxlan-port", () => checkNumber("the port", numberOf(value, "vxlan-port"), 1, 65_535)),
    vxlanId: named("vxlan-id", () => checkNumber("the VNI", numberOf(value, "vxlan-id"), 1, 0xff_ffff)),
    routes: listOf(value, "routes", maxRoutes).map((entry, index) =>
      named(`routes[${index}]`, () => toRoute(entry, interfaceName)),
    ),
    neighbors: listOf(value, "neighbors", maxNeighbors).map((entry, index) =>
      named(`neighbors[${index}]`, () => toNeighbor(entry, interfaceName)),
    ),
    dedicated: flagOf(value, "dedicated"),
    externalNetworkViaPodVm: flagOf(value, "external-net-via-pod-vm"),
  };
}

function toRoute(entry: JsonObject, interfaceName: string): PodRoute {
  checkDevice(entry, interfaceName);
  const protocol = protocols.get(textOf(entry, "protocol"));
  if (protocol === undefined) throw new GuestError("invalid-argument", "unknown protocol");
  if (!scopes.has(textOf(entry, "scope"))) throw new GuestError("invalid-argument", "unknown scope");
  const gateway = textOf(entry, "gw");
  return {
    destination: toDestination(textOf(entry, "dst")),
    gateway: gateway === "" ? undefined : formatIpAddress(station(checkIpAddress(gateway))),
    protocol: protocol === 0 ? bootProtocol : protocol,
  };
}

/** What `ip` sets when nothing is said. */
const bootProtocol = 3;

/** Go writes the default route as `::ffff:0.0.0.0/0`; nothing and `0.0.0.0/0` are the same. */
function toDestination(text: string): string {
  if (text === "" || text === "0.0.0.0/0" || text === "::ffff:0.0.0.0/0") return "default";
  const destination = prefixOf(text);
  refuseReservedDestination(destination, "machine");
  refuseMetadataDestination(destination);
  return formatNetwork(destination);
}

function toNeighbor(entry: JsonObject, interfaceName: string): PodNeighbor {
  checkDevice(entry, interfaceName);
  if (!neighborStates.has(textOf(entry, "state"))) throw new GuestError("invalid-argument", "unknown state");
  return {
    address: formatIpAddress(station(checkIpAddress(textOf(entry, "ip")))),
    hardwareAddress: checkHardwareAddress(textOf(entry, "hw-addr")),
  };
}

function checkDevice(entry: JsonObject, interfaceName: string): void {
  const device = textOf(entry, "dev");
  if (device !== "" && device !== interfaceName)
    throw new GuestError("invalid-argument", `dev is not ${interfaceName}`);
}

/** An address of one station, with the length of its network. */
function stationPrefix(text: string): IpPrefix {
  const prefix = prefixOf(text);
  return { address: station(prefix.address), length: prefix.length };
}

function station(address: IpAddress): IpAddress {
  requireIpv4(address);
  refuseReservedAddress(address, "machine");
  return address;
}

function prefixOf(text: string): IpPrefix {
  if (!text.includes("/")) throw new GuestError("invalid-argument", "a prefix needs a length after a slash");
  const prefix = checkPrefix(text);
  requireIpv4(prefix.address);
  return prefix;
}

/** Nothing else here knows of families: when workers learn to send IPv6, this check goes. */
function requireIpv4(address: IpAddress): void {
  if (unmapIpAddress(address) !== address)
    throw new GuestError("invalid-argument", "an IPv4 address is written as IPv6");
  if (address.family === 6)
    throw new GuestError("invalid-argument", "workers tunnel IPv4 only; an IPv6 pod can't be connected");
}

/** Runs a check; its failure says of which key it is. */
function named<T>(key: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    throw new GuestError(error.code, `pod-network: ${key}: ${error.message}`, { cause: error });
  }
}

function memberOf(object: JsonObject, key: string): JsonValue | undefined {
  if (Object.hasOwn(object, key)) return object[key];
  const match = Object.keys(object).find((candidate) => candidate.toLowerCase() === key);
  return match === undefined ? undefined : object[match];
}

function textOf(object: JsonObject, key: string): string {
  const value = memberOf(object, key) ?? "";
  if (typeof value !== "string") throw new GuestError("invalid-argument", `${key} is no string`);
  return value;
}

function numberOf(object: JsonObject, key: string): number {
  const value = memberOf(object, key) ?? 0;
  if (typeof value !== "number") throw new GuestError("invalid-argument", `${key} is no number`);
  return value;
}

function flagOf(object: JsonObject, key: string): boolean {
  const value = memberOf(object, key) ?? false;
  if (typeof value !== "boolean")
    throw new GuestError("invalid-argument", `pod-network: ${key} is neither true nor false`);
  return value;
}

function listOf(object: JsonObject, key: string, maxLength: number): readonly JsonObject[] {
  const value = memberOf(object, key) ?? [];
  if (!isJsonArray(value) || !value.every(isJsonObject))
    throw new GuestError("invalid-argument", `pod-network: ${key} is no list of objects`);
  if (value.length > maxLength)
    throw new GuestError("invalid-argument", `pod-network: ${key} has over ${maxLength} entries`);
  return value;
}
