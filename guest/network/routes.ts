import { GuestError } from "../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../core/json.ts";
import { IPFamily, type Route } from "../rpc/messages/types.ts";
import type { MessageInit } from "../rpc/method.ts";
import { formatIpAddress } from "../sys/ip-address.ts";
import {
  checkIpAddress,
  checkLinkName,
  checkNumber,
  checkPrefix,
  formatNetwork,
  type IpPrefix,
} from "./checked-values.ts";
import {
  type Reserved,
  refuseOwnAddress,
  refuseReservedAddress,
  refuseReservedDestination,
  unmapPrefix,
} from "./guards.ts";
import type { IpProgram } from "./ip-program.ts";
import { maxRoutes } from "./limits.ts";
import { type Link, ownAddresses, readLinks } from "./link.ts";

/** RTNH_F_ONLINK: the gateway is reached by the device even if no address of it says so. */
const onLinkFlag = 4;
const maxScope = 255;

/**
 * Unicast routes of the main table, as ListRoutes answers them (spec/agent-rpc.md 6.9). Unlike in the reference a route with a
 * gateway keeps its destination; default routes have `0.0.0.0` or `::`.
 */
export async function listRoutes(ip: IpProgram): Promise<MessageInit<Route>[]> {
  const routes = [];
  for (const family of [IPFamily.v4, IPFamily.v6])
    for (const entry of await ip.query(family === IPFamily.v4 ? "-4" : "-6", "route", "show", "table", "main"))
      if (entry["type"] === undefined || entry["type"] === "1" || entry["type"] === "unicast")
        routes.push(...hopsOf(entry).map((hop) => toRoute(entry, hop, family)));
  return routes;
}

/** A route over several gateways is several routes here; the protocol has no other way to say it. */
function hopsOf(entry: JsonObject): readonly JsonObject[] {
  const hops = entry["nexthops"];
  return isJsonArray(hops) ? hops.filter(isJsonObject) : [entry];
}

function toRoute(entry: JsonObject, hop: JsonObject, family: number): MessageInit<Route> {
  const destination = String(entry["dst"] ?? "");
  const fullLength = family === IPFamily.v4 ? 32 : 128;
  const anywhere = family === IPFamily.v4 ? "0.0.0.0" : "::";
  const metrics = isJsonArray(entry["metrics"]) ? entry["metrics"].filter(isJsonObject) : [];
  return {
    dest:
      destination === "default" ? anywhere : destination.includes("/") ? destination : `${destination}/${fullLength}`,
    gateway: String(hop["gateway"] ?? ""),
    device: String(hop["dev"] ?? ""),
    source: String(entry["prefsrc"] ?? ""),
    scope: Number(entry["scope"] ?? 0),
    family,
    mtu: Number(metrics.find((metric) => metric["mtu"] !== undefined)?.["mtu"] ?? 0),
  };
}

/**
 * Sets routes; those without a gateway come first, since the others need them. One that is there is replaced; other existing
 * routes stay (spec/agent-rpc.md 6.9). All values are checked before the first change.
 *
 * @throws GuestError `permission-denied` for what the guards forbid, `invalid-argument`, `internal` with the words of `ip`
 */
export async function updateRoutes(ip: IpProgram, routes: readonly Route[], reserved: Reserved): Promise<void> {
  if (routes.length > maxRoutes) throw new GuestError("invalid-argument", `there are at most ${maxRoutes} routes`);
  const links = await readLinks(ip);
  const commands = routes.map((route) => toCommand(route, links, reserved));
  const direct = commands.filter((_, index) => routes[index]?.gateway === "");
  const indirect = commands.filter((_, index) => routes[index]?.gateway !== "");
  for (const command of [...direct, ...indirect]) await ip.run(...command);
}

function toCommand(route: Route, links: readonly Link[], reserved: Reserved): string[] {
  const destination = checkDestination(route);
  const own = ownAddresses(links);
  refuseReservedDestination(destination, reserved);
  const isHost = destination.length === (destination.address.family === 4 ? 32 : 128);
  if (isHost) refuseOwnAddress(destination.address, own);
  const device = checkLinkName(route.device);
  if (!links.some((link) => link.name === device)) throw new GuestError("internal", `Link not found (Name: ${device})`);
  return [
    ...(destination.address.family === 4 ? ["-4"] : ["-6"]),
    ...["route", "replace", formatNetwork(destination)],
    ...gatewayWords(route, destination, own),
    ...["dev", device],
    ...(route.source === "" ? [] : ["src", checkSource(route.source, destination)]),
    ...(route.scope === 0 ? [] : ["scope", String(checkNumber("the scope", route.scope, 0, maxScope))]),
    ...(route.mtu === 0 ? [] : ["mtu", String(checkNumber("the MTU", route.mtu, 1, 0xffff_ffff))]),
    ...((route.flags & onLinkFlag) === 0 ? [] : ["onlink"]),
  ];
}

/** No destination, or an unspecified one without length, is the default route; its family is the gateway's, or as told. */
function checkDestination(route: Route): IpPrefix {
  if (route.dest === "" || route.dest === "0.0.0.0" || route.dest === "::") {
    const told = route.dest === "" ? (route.gateway === "" ? undefined : route.gateway) : route.dest;
    const anywhere = route.family === IPFamily.v6 ? "::" : "0.0.0.0";
    const { family } = told === undefined ? checkIpAddress(anywhere) : checkIpAddress(told);
    return { address: checkIpAddress(family === 4 ? "0.0.0.0" : "::"), length: 0 };
  }
  return unmapPrefix(checkPrefix(route.dest));
}

function gatewayWords(route: Route, destination: IpPrefix, own: readonly IpPrefix["address"][]): string[] {
  if (route.gateway === "") return [];
  const gateway = checkIpAddress(route.gateway);
  refuseOwnAddress(gateway, own);
  refuseReservedAddress(gateway, "machine-and-metadata");
  return ["via", ...(gateway.family === destination.address.family ? [] : ["inet6"]), formatIpAddress(gateway)];
}

/** The address that packets on this route come from; a prefix length behind it says nothing more. */
function checkSource(text: string, destination: IpPrefix): string {
  const { address } = checkPrefix(text);
  if (address.family !== destination.address.family)
    throw new GuestError("invalid-argument", "source and destination of a route are of different families");
  return formatIpAddress(address);
}
