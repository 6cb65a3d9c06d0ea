/** Built-ins on numbers, and conversion to numbers. */
import { absolute, ceiling, floor, NumberError, parseNumber, round, integer as toNumber } from "../number.ts";
import { isNumber, type Value } from "../value.ts";
import { any, builtin, integer, number, operandError, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

function toNumberValue(_context: BuiltinContext, value: Value): Value {
  if (value === null) return 0;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (isNumber(value)) return value;
  if (typeof value !== "string") throw operandError("to_number", 1, "one of {null, boolean, number, string}", value);
  const parsed = parseNumberText("to_number", value);
  if (parsed === undefined && /^[+-]?(?:nan|inf|infinity)$/i.test(value)) {
    throw operandError("to_number", 1, "valid number string", value);
  }
  if (parsed === undefined) throw valueError("to_number", `${JSON.stringify(value.slice(0, 64))} is not a number`);
  return parsed;
}

/** A number as Go's parser takes it, which is looser than JSON's notation: leading zeros, a plus sign, a bare point. */
function parseNumberText(name: string, text: string): Value | undefined {
  const match = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/.exec(text);
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match ?? [];
  if (whole + fraction === "") return undefined;
  const digits = whole.replace(/^0+(?=[0-9])/, "") || "0";
  try {
    return parseNumber(`${sign === "-" ? "-" : ""}${digits}${fraction === "" ? "" : `.${fraction}`}e${exponent}`);
  } catch (cause) {
    if (cause instanceof NumberError) throw valueError(name, cause.message, cause);
    throw cause;
  }
}

function range(name: string, context: BuiltinContext, from: bigint, to: bigint, step: bigint): readonly Value[] {
  if (step <= 0n) throw valueError(name, "step must be a positive number above zero");
  const distance = to >= from ? to - from : from - to;
  const length = distance / step + 1n;
  context.chargeOutput(Number(length));
  const direction = to >= from ? step : -step;
  return Array.from({ length: Number(length) }, (_, index) => toNumber(from + BigInt(index) * direction));
}

export const numberBuiltins: readonly Builtin[] = [
  builtin("abs", [number], (_context, value) => absolute(value)),
  builtin("ceil", [number], (_context, value) => ceiling(value)),
  builtin("floor", [number], (_context, value) => floor(value)),
  builtin("round", [number], (_context, value) => round(value)),
  builtin("to_number", [any], toNumberValue),
  builtin("numbers.range", [integer, integer], (context, from, to) => range("numbers.range", context, from, to, 1n)),
  builtin("numbers.range_step", [integer, integer, integer], (context, from, to, step) =>
    range("numbers.range_step", context, from, to, step),
  ),
];
