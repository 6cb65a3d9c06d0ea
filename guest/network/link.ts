import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { type IpAddress, parseIpAddress } from "../sys/ip-address.ts";
import type { IpProgram } from "./ip-program.ts";

/** A network interface as the kernel has it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isLoopback: boolean;
  readonly isUp: boolean;
  /** Lower case; empty for kinds without. */
  readonly hardwareAddress: string;
  readonly mtu: number;
  /** Kind of a virtual one, such as `veth` or `vxlan`; empty for hardware. */
  readonly kind: string;
  readonly addresses: readonly LinkAddress[];
}

/** An address of an interface. */
export interface LinkAddress {
  readonly address: IpAddress;
  readonly text: string;
  readonly prefixLength: number;
}

/** All interfaces of a namespace, in the kernel's order. */
export async function readLinks(ip: IpProgram): Promise<Link[]> {
  const links = await ip.query("-details", "address", "show");
  // A link that vanishes while ip prints leaves an empty object.
  return links.map(toLink).filter((link) => link.name !== "");
}

/** The addresses that are this machine's own: those of all of its interfaces. */
export function ownAddresses(links: readonly Link[]): IpAddress[] {
  return links.flatMap((link) => link.addresses.map(({ address }) => address));
}

function toLink(entry: JsonObject): Link {
  const flags = list(entry["flags"]);
  return {
    index: Number(entry["ifindex"] ?? 0),
    name: text(entry["ifname"]),
    isLoopback: flags.includes("LOOPBACK"),
    isUp: flags.includes("UP"),
    hardwareAddress: text(entry["address"]).toLowerCase(),
    mtu: Number(entry["mtu"] ?? 0),
    kind: isJsonObject(entry["linkinfo"]) ? text(entry["linkinfo"]["info_kind"]) : "",
    addresses: list(entry["addr_info"]).filter(isJsonObject).flatMap(toAddress),
  };
}

function toAddress(entry: JsonObject): LinkAddress[] {
  const local = text(entry["local"]);
  const address = parseIpAddress(local);
  return address === undefined ? [] : [{ address, text: local, prefixLength: Number(entry["prefixlen"] ?? 0) }];
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return isJsonArray(value) ? value : [];
}
