import { GuestError } from "../core/errors.ts";
import { type Interface, type IPAddress, IPFamily } from "../rpc/messages/types.ts";
import type { MessageInit } from "../rpc/method.ts";
import { formatIpAddress, type IpAddress } from "../sys/ip-address.ts";
import {
  checkHardwareAddress,
  checkIpAddress,
  checkLinkName,
  checkNumber,
  checkPrefixLength,
} from "./checked-values.ts";
import { type Reserved, refuseOwnAddress, refuseReservedAddress } from "./guards.ts";
import type { IpProgram } from "./ip-program.ts";
import { maxAddresses, maxMtu, minMtu } from "./limits.ts";
import { type Link, ownAddresses, readLinks } from "./link.ts";

/** The bit of `raw_flags` that the kernel calls IFF_NOARP. */
const noArpFlag = 0x80;

/** Every interface, as ListInterfaces answers it (spec/agent-rpc.md 6.9). */
export async function listInterfaces(ip: IpProgram): Promise<MessageInit<Interface>[]> {
  return (await readLinks(ip)).map((link) => ({
    name: link.name,
    hwAddr: link.hardwareAddress.toUpperCase(),
    mtu: BigInt(link.mtu),
    IPAddresses: link.addresses.map(({ address, text, prefixLength }) => ({
      family: address.family === 4 ? IPFamily.v4 : IPFamily.v6,
      address: text,
      mask: String(prefixLength),
    })),
  }));
}

/**
 * Gives the interface with a hardware address its name, addresses, MTU and flags, and sets it up (spec/agent-rpc.md 6.9). All
 * values are checked before the first change.
 *
 * @throws GuestError: `internal` "Link not found (Address: ...)", on which shims wait and try again; `permission-denied` for
 *   what the guards forbid; `invalid-argument`
 */
export async function updateInterface(ip: IpProgram, wanted: Interface, reserved: Reserved): Promise<void> {
  const mac = checkHardwareAddress(wanted.hwAddr);
  const name = checkLinkName(wanted.name);
  const mtu = wanted.mtu === 0n ? undefined : checkNumber("the MTU", wanted.mtu, minMtu, maxMtu);
  const links = await readLinks(ip);
  const link = links.find((candidate) => candidate.hardwareAddress === mac && !candidate.isLoopback);
  if (link === undefined) throw new GuestError("internal", `Link not found (Address: ${wanted.hwAddr})`);
  const others = ownAddresses(links.filter((candidate) => candidate !== link));
  if (wanted.IPAddresses.length > maxAddresses)
    throw new GuestError("invalid-argument", `an interface has at most ${maxAddresses} addresses`);
  const addresses = wanted.IPAddresses.map((entry) => checkAddress(entry, others, reserved));
  const usable = ip.isIpv6Enabled() ? addresses : addresses.filter((address) => !address.includes(":"));

  await ip.run("link", "set", "dev", link.name, "down");
  for (const address of usable) await ip.run("address", "replace", address, "dev", link.name);
  await rename(ip, links, link, name);
  const noArp = (wanted.raw_flags & noArpFlag) !== 0;
  await ip.batch([
    ...(mtu === undefined ? [] : [["link", "set", "dev", name, "mtu", String(mtu)]]),
    ...(noArp ? [["link", "set", "dev", name, "arp", "off"]] : []),
    ["link", "set", "dev", name, "up"],
  ]);
}

/** The address with its prefix length. */
function checkAddress(entry: IPAddress, others: readonly IpAddress[], reserved: Reserved): string {
  const address = checkIpAddress(entry.address);
  refuseReservedAddress(address, reserved);
  refuseOwnAddress(address, others);
  return `${formatIpAddress(address)}/${checkPrefixLength(entry.mask, address.family)}`;
}

/** Takes a name for a link; another that has it changes names with it, by way of a third. */
async function rename(ip: IpProgram, links: readonly Link[], link: Link, name: string): Promise<void> {
  if (link.name === name) return;
  const holder = links.find((candidate) => candidate.name === name);
  if (holder === undefined) return ip.run("link", "set", "dev", link.name, "name", name);
  const between = `swap${holder.index}`;
  await ip.run("link", "set", "dev", holder.name, "down");
  await ip.batch([
    ["link", "set", "dev", holder.name, "name", between],
    ["link", "set", "dev", link.name, "name", name],
    ["link", "set", "dev", between, "name", link.name],
    ...(holder.isUp ? [["link", "set", "dev", link.name, "up"]] : []),
  ]);
}
