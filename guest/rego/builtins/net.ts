/** The net.cidr_* built-ins. */
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { type Cidr, cidrBounds, formatIp, type IpAddress, parseCidr, parseIp } from "./ip.ts";
import { maxExpandedAddresses } from "./limits.ts";
import { any, builtin, operandError, string, strings, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

function requireCidr(name: string, text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw valueError(name, `invalid CIDR address: ${text.slice(0, 64)}`);
  return cidr;
}

/** A block, or an address as a block of one. */
function requireBlock(name: string, text: string): Cidr {
  const address = parseIp(text);
  return address === undefined ? requireCidr(name, text) : { ...address, prefix: address.bits };
}

function contains(outer: Cidr, inner: Cidr): boolean {
  if (outer.bits !== inner.bits) return false;
  const [outerFirst, outerLast] = cidrBounds(outer);
  const [innerFirst, innerLast] = cidrBounds(inner);
  return outerFirst <= innerFirst && innerLast <= outerLast;
}

function intersects(a: Cidr, b: Cidr): boolean {
  const [aFirst, aLast] = cidrBounds(a);
  const [bFirst, bLast] = cidrBounds(b);
  return a.bits === b.bits && aFirst <= bLast && bFirst <= aLast;
}

/** Blocks of an operand with the key that a result names them by. */
function keyedBlocks(position: number, value: Value): readonly (readonly [Value, Cidr])[] {
  const name = "net.cidr_contains_matches";
  if (typeof value === "string") return [[value, requireBlock(name, value)]];
  if (isArray(value)) return value.map((item, index) => [index, blockOf(name, position, item)] as const);
  if (value instanceof RegoSet) return value.values().map((item) => [item, blockOf(name, position, item)] as const);
  if (value instanceof RegoObject)
    return [...value].map(([key, item]) => [key, blockOf(name, position, item)] as const);
  throw operandError(name, position, "one of {string, array, set, object}", value);
}

function blockOf(name: string, position: number, item: Value): Cidr {
  const text = isArray(item) ? item[0] : item;
  if (typeof text !== "string") {
    throw valueError(name, `operand ${position}: element must be string or non-empty array`);
  }
  return requireBlock(name, text);
}

function containsMatches(context: BuiltinContext, outer: Value, inner: Value): Value {
  const outerBlocks = keyedBlocks(1, outer);
  const innerBlocks = keyedBlocks(2, inner);
  context.charge(outerBlocks.length * innerBlocks.length);
  const matches = new RegoSet();
  for (const [outerKey, outerBlock] of outerBlocks) {
    for (const [innerKey, innerBlock] of innerBlocks) {
      if (!contains(outerBlock, innerBlock)) continue;
      context.chargeOutput(2);
      matches.add([outerKey, innerKey]);
    }
  }
  return matches;
}

function expand(context: BuiltinContext, text: string): Value {
  const cidr = requireCidr("net.cidr_expand", text);
  const [first, last] = cidrBounds(cidr);
  const count = last - first + 1n;
  if (count > BigInt(maxExpandedAddresses)) {
    throw valueError("net.cidr_expand", `block has more than ${maxExpandedAddresses} addresses`);
  }
  context.chargeOutput(Number(count));
  const addresses = new RegoSet();
  for (let value = first; value <= last; value++) addresses.add(formatIp({ value, bits: cidr.bits }));
  return addresses;
}

function mergeBlock(text: string): Cidr {
  const address = parseIp(text);
  if (address?.bits === 128) throw valueError("net.cidr_merge", "IPv6 invalid: needs prefix length");
  return address === undefined ? requireCidr("net.cidr_merge", text) : { ...address, prefix: defaultPrefix(address) };
}

/** The prefix length of the classes of old, which Go assumes for an IPv4 address without one. */
function defaultPrefix({ value }: IpAddress): number {
  const firstOctet = value >> 24n;
  if (firstOctet < 128n) return 8;
  return firstOctet < 192n ? 16 : 24;
}

/** The fewest blocks that have the same addresses. */
function merge(context: BuiltinContext, texts: readonly string[]): Value {
  context.chargeOutput(texts.length);
  const blocks = texts.map(mergeBlock);
  const merged = new RegoSet();
  for (const bits of [32, 128] as const) {
    const ranges = blocks.filter((block) => block.bits === bits).map(cidrBounds);
    for (const [first, last] of joinRanges(ranges)) {
      for (const block of blocksOfRange(first, last, bits)) merged.add(`${formatIp(block)}/${block.prefix}`);
    }
  }
  return merged;
}

function joinRanges(ranges: readonly (readonly [bigint, bigint])[]): readonly (readonly [bigint, bigint])[] {
  const joined: [bigint, bigint][] = [];
  for (const [first, last] of ranges.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const previous = joined.at(-1);
    if (previous === undefined || first > previous[1] + 1n) joined.push([first, last]);
    else if (last > previous[1]) previous[1] = last;
  }
  return joined;
}

/** Divides a range of addresses into the largest aligned blocks; at most two for each bit. */
function* blocksOfRange(first: bigint, last: bigint, bits: 32 | 128): Iterable<Cidr> {
  for (let value = first; value <= last; ) {
    let size = 0;
    while (size < bits && ((value >> BigInt(size)) & 1n) === 0n && value + (2n << BigInt(size)) - 1n <= last) size++;
    yield { value, bits, prefix: bits - size };
    value += 1n << BigInt(size);
  }
}

export const netBuiltins: readonly Builtin[] = [
  builtin("net.cidr_contains", [string, string], (_context, outer, inner) =>
    contains(requireCidr("net.cidr_contains", outer), requireBlock("net.cidr_contains", inner)),
  ),
  builtin("net.cidr_contains_matches", [any, any], containsMatches),
  builtin("net.cidr_intersects", [string, string], (_context, a, b) =>
    intersects(requireCidr("net.cidr_intersects", a), requireCidr("net.cidr_intersects", b)),
  ),
  builtin(
    "net.cidr_overlap",
    [string, string],
    (_context, outer, inner) =>
      contains(requireCidr("net.cidr_overlap", outer), requireBlock("net.cidr_overlap", inner)),
    { deprecated: true },
  ),
  builtin("net.cidr_is_valid", [any], (_context, text) => typeof text === "string" && parseCidr(text) !== undefined),
  builtin("net.cidr_expand", [string], expand),
  builtin("net.cidr_merge", [strings], merge),
];
