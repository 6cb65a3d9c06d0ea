/** IP addresses and networks as integers. */

export interface IpAddress {
  readonly value: bigint;
  readonly bits: 32 | 128;
}

/** A block of addresses: the address as written, and how many leading bits are fixed. */
export interface Cidr extends IpAddress {
  readonly prefix: number;
}

/** Reads an IPv4 or IPv6 address; IPv4 written in IPv6 ("::ffff:1.2.3.4") is IPv4, as in Go. Undefined if it is none. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { value: v4, bits: 32 };
  const v6 = parseIpv6(text);
  if (v6 === undefined) return undefined;
  return v6 >> 32n === 0xffffn ? { value: v6 & 0xffffffffn, bits: 32 } : { value: v6, bits: 128 };
}

function parseIpv4(text: string): bigint | undefined {
  const octets = text.split(".");
  if (octets.length !== 4) return undefined;
  let value = 0n;
  for (const octet of octets) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(octet) || Number(octet) > 255) return undefined;
    value = (value << 8n) | BigInt(octet);
  }
  return value;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map(parseGroups);
  if (left === undefined || (halves.length === 2 && right === undefined)) return undefined;
  const missing = 8 - left.length - (right?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...left, ...new Array<bigint>(missing).fill(0n), ...(right ?? [])];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

function parseGroups(text: string): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 && part.includes(".") ? parseIpv4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >> 16n, v4 & 0xffffn);
    else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

/** Reads "address/prefix"; undefined if it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const address = slash < 0 ? undefined : parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(?:0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  // The prefix of an IPv4 address that is written in IPv6 counts the 96 bits before it.
  const isMapped = address.bits === 32 && text.includes(":");
  const prefix = Number(digits) - (isMapped ? 96 : 0);
  return prefix >= 0 && prefix <= address.bits ? { ...address, prefix } : undefined;
}

/** The first and the last address of a block. */
export function cidrBounds({ value, bits, prefix }: Cidr): readonly [bigint, bigint] {
  const hostMask = (1n << BigInt(bits - prefix)) - 1n;
  return [value & ~hostMask, value | hostMask];
}

/** The usual text of an address: dotted, or RFC 5952. */
export function formatIp({ value, bits }: IpAddress): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  const [start, length] = longestZeroRun(groups);
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

function longestZeroRun(groups: readonly string[]): readonly [number, number] {
  let best: readonly [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > best[1]) best = [start, end - start];
  }
  return best;
}
