/** The bits.* built-ins: integers of any size in two's complement. */
import { integer as toNumber } from "../number.ts";
import { maxShift } from "./limits.ts";
import { builtin, integer, valueError } from "./operands.ts";
import type { Builtin } from "./types.ts";

function bitwise(name: string, operation: (a: bigint, b: bigint) => bigint): Builtin {
  return builtin(name, [integer, integer], (_context, a, b) => toNumber(operation(a, b)));
}

function shift(name: string, operation: (value: bigint, distance: bigint) => bigint): Builtin {
  return bitwise(name, (value, distance) => {
    if (distance < 0n)
      throw valueError(name, "operand 2 must be an unsigned integer number but got a negative integer");
    if (distance > BigInt(maxShift)) throw valueError(name, `shift by more than ${maxShift} bits`);
    return operation(value, distance);
  });
}

export const bitBuiltins: readonly Builtin[] = [
  bitwise("bits.and", (a, b) => a & b),
  bitwise("bits.or", (a, b) => a | b),
  bitwise("bits.xor", (a, b) => a ^ b),
  shift("bits.lsh", (value, distance) => value << distance),
  shift("bits.rsh", (value, distance) => value >> distance),
  builtin("bits.negate", [integer], (_context, value) => toNumber(~value)),
];
