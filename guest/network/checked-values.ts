import { GuestError } from "../core/errors.ts";
import { formatIpAddress, type IpAddress, parseIpAddress, samePrefix } from "../sys/ip-address.ts";

/** Values that the host sends, checked before anything is done with them (threat model rows 65, 66, 131). */

/**
 * The name of a network interface.
 *
 * @throws GuestError `invalid-argument` for what the kernel or `ip` could take for something else, `permission-denied` for the
 *   loopback interface and names that look like it
 */
export function checkLinkName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name) || name === "all" || name === "default")
    throw new GuestError("invalid-argument", "not the name of a network interface", { fields: { name } });
  if (/^lo\d*$/i.test(name))
    throw new GuestError("permission-denied", "the loopback interface is not the host's to change");
  return name;
}

/**
 * A hardware address.
 *
 * @returns in lower case
 * @throws GuestError `invalid-argument` unless it is six bytes of one station, not of a group, and not all zero
 */
export function checkHardwareAddress(text: string): string {
  const address = text.toLowerCase();
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(address))
    throw new GuestError("invalid-argument", "not a hardware address", { fields: { address: text } });
  const isGroup = (Number.parseInt(address.slice(0, 2), 16) & 1) === 1;
  if (isGroup || address === "00:00:00:00:00:00")
    throw new GuestError("invalid-argument", "not the hardware address of a station", { fields: { address } });
  return address;
}

/** An address. @throws GuestError `invalid-argument` */
export function checkIpAddress(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === undefined)
    throw new GuestError("invalid-argument", "not an IP address", { fields: { address: text } });
  return address;
}

/** A network: those addresses whose first `length` bits are those of `address`. */
export interface IpPrefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** Bits of an address of a family. */
export function addressBits(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

/** `address/length`, or an address alone for all of its bits. @throws GuestError `invalid-argument` */
export function checkPrefix(text: string): IpPrefix {
  const [addressText = "", lengthText, ...rest] = text.split("/");
  const address = checkIpAddress(addressText);
  if (rest.length > 0) throw new GuestError("invalid-argument", "not an IP prefix", { fields: { prefix: text } });
  return { address, length: checkPrefixLength(lengthText ?? String(addressBits(address.family)), address.family) };
}

/** A prefix length as decimal text. @throws GuestError `invalid-argument` */
export function checkPrefixLength(text: string, family: 4 | 6): number {
  const length = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(length <= addressBits(family)))
    throw new GuestError("invalid-argument", "not a prefix length", { fields: { length: text } });
  return length;
}

/** A number within bounds. @throws GuestError `invalid-argument` */
export function checkNumber(what: string, value: bigint | number, min: number, max: number): number {
  if (value < min || value > max || !Number.isInteger(Number(value)))
    throw new GuestError("invalid-argument", `${what} is not within ${min} and ${max}`, { fields: { value } });
  return Number(value);
}

/** The prefix as text, bits beyond its length cleared, as the kernel wants networks. */
export function formatNetwork({ address, length }: IpPrefix): string {
  const bytes = Buffer.from(address.bytes);
  for (let bit = length; bit < addressBits(address.family); bit++) {
    const index = bit >> 3;
    bytes[index] = (bytes[index] ?? 0) & ~(0x80 >> (bit & 7));
  }
  return `${formatIpAddress({ family: address.family, bytes })}/${length}`;
}

/** True when the networks have an address in common. */
export function overlaps(a: IpPrefix, b: IpPrefix): boolean {
  return samePrefix(a.address, b.address, Math.min(a.length, b.length));
}

/** True when both are the same address. */
export function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return samePrefix(a, b, addressBits(a.family));
}
