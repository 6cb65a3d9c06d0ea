/** units.parse and units.parse_bytes: amounts such as "10Mi" or "1.5G". */
import { decimal, integer, type RegoNumber } from "../number.ts";
import { builtin, string, valueError } from "./operands.ts";
import type { Builtin } from "./types.ts";

interface Amount {
  readonly coefficient: bigint;
  readonly exponent: number;
  readonly unit: string;
}

const maxAmountLength = 256;
const maxExponent = 100;

function parseAmount(name: string, text: string): Amount {
  const raw = text.replaceAll('"', "");
  if (/ /.test(raw)) throw valueError(name, "spaces not allowed in resource strings");
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?([A-Za-z]*)$/.exec(raw.slice(0, maxAmountLength));
  const [, sign = "", whole = "", fraction = "", exponent = "0", unit = ""] = match ?? [];
  if (match === null || raw.length > maxAmountLength) throw valueError(name, "could not parse amount to a number");
  if (whole + fraction === "") throw valueError(name, "no amount provided");
  if (Math.abs(Number(exponent)) > maxExponent) throw valueError(name, "exponent is too large");
  return { coefficient: BigInt(sign + whole + fraction), exponent: Number(exponent) - fraction.length, unit };
}

const powers = "kmgtpe";

/** The factor of a unit: k, M, … are powers of 1000, with an "i" powers of 1024. Undefined for an unknown unit. */
function factorOf(unit: string): bigint | undefined {
  if (unit === "") return 1n;
  const power = powers.indexOf(unit.charAt(0));
  if (power < 0 || !/^.i?$/.test(unit)) return undefined;
  return (unit.endsWith("i") && unit.length === 2 ? 1024n : 1000n) ** BigInt(power + 1);
}

/** In units.parse the case of the first letter counts for "m" (milli) and "M" (mega) only. */
function parse(text: string): RegoNumber {
  const { coefficient, exponent, unit } = parseAmount("units.parse", text);
  if (unit === "m") return rounded(coefficient, exponent - 3);
  const factor = factorOf(unit.toLowerCase());
  if (factor === undefined) throw valueError("units.parse", `unit ${unit} not recognized`);
  return rounded(coefficient * factor, exponent);
}

/** Ten places after the point, as OPA keeps them; halves away from zero. */
function rounded(coefficient: bigint, exponent: number): RegoNumber {
  const surplus = -exponent - 10;
  if (surplus <= 0) return decimal(coefficient, exponent);
  const divisor = 10n ** BigInt(surplus);
  const half = coefficient < 0n ? -divisor / 2n : divisor / 2n;
  return decimal((coefficient + half) / divisor, -10);
}

function parseBytes(text: string): RegoNumber {
  const { coefficient, exponent, unit } = parseAmount("units.parse_bytes", text);
  const factor = factorOf(unit.toLowerCase().replace(/b$/, ""));
  if (factor === undefined || /^b$/i.test(unit))
    throw valueError("units.parse_bytes", `byte unit ${unit} not recognized`);
  const scaled = coefficient * factor;
  return integer(exponent >= 0 ? scaled * 10n ** BigInt(exponent) : scaled / 10n ** BigInt(-exponent));
}

export const unitBuiltins: readonly Builtin[] = [
  builtin("units.parse", [string], (_context, text) => parse(text)),
  builtin("units.parse_bytes", [string], (_context, text) => parseBytes(text)),
];
