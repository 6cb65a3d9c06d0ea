import { GuestError } from "../core/errors.ts";
import { formatIpAddress, type IpAddress, unmapIpAddress } from "../sys/ip-address.ts";
import { addressBits, checkPrefix, formatNetwork, type IpPrefix, overlaps, sameAddress } from "./checked-values.ts";

/**
 * What the host may not point elsewhere (threat model row 65): addresses of this machine itself, where the pod's REST services
 * listen (127.0.0.1:8006 and :8080), and those of the clouds' metadata services. Addresses are compared as numbers, IPv4 ones
 * inside IPv6 ones as themselves (row 66).
 */
const machine: readonly ReservedNetwork[] = reservedFor("this machine", "0.0.0.0/8", "127.0.0.0/8", "::1", "::");
const metadata: readonly ReservedNetwork[] = reservedFor(
  "metadata service",
  ...["169.254.169.0/24", "169.254.170.0/24", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"],
);
const linkLocal: readonly ReservedNetwork[] = reservedFor("link-local", "169.254.0.0/16");

/** A network and what it is for. */
interface ReservedNetwork {
  readonly use: string;
  readonly prefix: IpPrefix;
}

function reservedFor(use: string, ...prefixes: readonly string[]): ReservedNetwork[] {
  return prefixes.map((prefix) => ({ use, prefix: checkPrefix(prefix) }));
}

/**
 * How much is reserved. Some networks have their gateways in 169.254.0.0/16 (Calico: 169.254.1.1): measured configuration may
 * relax it for them, the host never.
 */
export type Reserved = "machine" | "machine-and-metadata" | "machine-metadata-and-link-local";

const reservedNetworks: Readonly<Record<Reserved, readonly ReservedNetwork[]>> = {
  machine,
  "machine-and-metadata": [...machine, ...metadata],
  "machine-metadata-and-link-local": [...machine, ...metadata, ...linkLocal],
};

const groups: readonly IpPrefix[] = ["224.0.0.0/4", "ff00::/8", "255.255.255.255"].map(checkPrefix);

/** An address for an interface or of a neighbour: one station's, and none of the reserved ones. @throws GuestError */
export function refuseReservedAddress(address: IpAddress, reserved: Reserved): void {
  const plain = unmapIpAddress(address);
  const host: IpPrefix = { address: plain, length: addressBits(plain.family) };
  refuseReserved(host, reserved);
  if (groups.some((group) => overlaps(host, group)))
    throw new GuestError("invalid-argument", "the address is that of a group", {
      fields: { address: formatIpAddress(plain) },
    });
}

/**
 * A route's destination. The default route covers everything and is all right: the kernel looks for its own addresses first,
 * and for the more specific route. Any other must stay clear of the reserved networks.
 *
 * @throws GuestError `permission-denied`
 */
export function refuseReservedDestination(destination: IpPrefix, reserved: Reserved): void {
  if (destination.length === 0) return;
  refuseReserved(unmapPrefix(destination), reserved);
}

/**
 * A destination within a metadata service's network. Larger ones that merely cover it are what clusters have (100.64.0.0/10).
 *
 * @throws GuestError `permission-denied`
 */
export function refuseMetadataDestination(destination: IpPrefix): void {
  const plain = unmapPrefix(destination);
  if (metadata.some(({ prefix }) => prefix.length <= plain.length && overlaps(plain, prefix)))
    throw new GuestError("permission-denied", "the address is reserved (metadata service)", {
      fields: { network: formatNetwork(plain) },
    });
}

/** An address that one of our interfaces has: who claims it elsewhere gets traffic that is ours. @throws GuestError */
export function refuseOwnAddress(address: IpAddress, own: readonly IpAddress[]): void {
  const plain = unmapIpAddress(address);
  if (own.some((mine) => sameAddress(mine, plain)))
    throw new GuestError("permission-denied", "the address is one of this machine", {
      fields: { address: formatIpAddress(plain) },
    });
}

/** An IPv4 network that is written as IPv6, as it is. */
export function unmapPrefix({ address, length }: IpPrefix): IpPrefix {
  const plain = unmapIpAddress(address);
  const embedded = plain.family !== address.family && length >= 96;
  return embedded ? { address: plain, length: length - 96 } : { address, length };
}

function refuseReserved(network: IpPrefix, reserved: Reserved): void {
  const hit = reservedNetworks[reserved].find(({ prefix }) => overlaps(network, prefix));
  if (hit === undefined) return;
  throw new GuestError("permission-denied", `the address is reserved (${hit.use})`, {
    fields: { network: formatNetwork(network) },
  });
}
