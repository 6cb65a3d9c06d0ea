/** uuid.parse (RFC 9562 layout) and uuid.rfc4122. */
import { randomBytes } from "node:crypto";
import { integer } from "../number.ts";
import { RegoObject, type Value } from "../value.ts";
import { builtin, string } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

const syntax = /^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;
/** 100 ns intervals between 1582-10-15 and 1970-01-01. */
const gregorianOffset = 0x01b21dd213814000n;
const domains: Readonly<Record<number, string>> = { 0: "Person", 1: "Group", 2: "Org" };

function variantOf(bits: number): string {
  if ((bits & 0xc000) === 0x8000) return "RFC4122";
  if ((bits & 0xe000) === 0xc000) return "Microsoft";
  return (bits & 0xe000) === 0xe000 ? "Future" : "Reserved";
}

function parseUuid(text: string): Value | undefined {
  const match = text.length > 45 ? null : syntax.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [timeLow = 0, timeMiddle = 0, timeHigh = 0, clock = 0] = match
    .slice(1, 5)
    .map((digits) => Number.parseInt(digits, 16));
  const version = timeHigh >>> 12;
  const fields: [string, Value][] = [
    ["version", version],
    ["variant", variantOf(clock)],
  ];
  if (version === 1 || version === 2) {
    const ticks = (BigInt(timeHigh & 0xfff) << 48n) | (BigInt(timeMiddle) << 32n) | BigInt(timeLow);
    fields.push(
      ["time", integer((ticks - gregorianOffset) * 100n)],
      ["clocksequence", clock & 0x3fff],
      ...nodeFields(match[5] ?? ""),
    );
  }
  if (version === 2) {
    const domain = clock & 0xff;
    fields.push(["id", timeLow], ["domain", domains[domain] ?? `Domain${domain}`]);
  }
  return RegoObject.from(fields);
}

function nodeFields(digits: string): [string, Value][] {
  const octets = digits.match(/../g) ?? [];
  const first = Number.parseInt(octets[0] ?? "0", 16);
  const administration = (first & 2) === 0 ? "global" : "local";
  const cast = (first & 1) === 0 ? "unicast" : "multicast";
  return [
    ["nodeid", octets.join("-")],
    ["macvariables", `${administration}:${cast}`],
  ];
}

/** A random identifier, the same for equal operands throughout one evaluation. */
function randomUuid(context: BuiltinContext, key: string): Value {
  const memoKey = `uuid.rfc4122:${key}`;
  const known = context.memo.get(memoKey);
  if (known !== undefined) return known;
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const uuid = bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  context.memo.set(memoKey, uuid);
  return uuid;
}

export const uuidBuiltins: readonly Builtin[] = [
  builtin("uuid.parse", [string], (_context, text) => parseUuid(text)),
  builtin("uuid.rfc4122", [string], randomUuid, { nondeterministic: true }),
];
