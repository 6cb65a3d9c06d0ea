/** Checked operands: how a built-in says what it takes, and what a call with something else is told. */
import { isInteger, type RegoNumber } from "../number.ts";
import {
  isArray,
  isNumber,
  type RegoObject as ObjectValue,
  RegoObject,
  RegoSet,
  typeName,
  type Value,
} from "../value.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "./types.ts";

/** One kind of operand: its name in error texts, and how to recognise it. */
export interface Operand<T> {
  /** What OPA calls it: "string", "one of {array, set}". */
  readonly expected: string;
  /** The operand as the built-in wants it, or undefined if the value is something else. */
  readonly read: (value: Value) => T | undefined;
}

export const any: Operand<Value> = { expected: "any", read: (value) => value };

export const string: Operand<string> = {
  expected: "string",
  read: (value) => (typeof value === "string" ? value : undefined),
};

export const boolean: Operand<boolean> = {
  expected: "boolean",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};

export const number: Operand<RegoNumber> = {
  expected: "number",
  read: (value) => (isNumber(value) ? value : undefined),
};

/** A number without a fraction, of any size. */
export const integer: Operand<bigint> = {
  expected: "integer",
  read: (value) => (isNumber(value) && isInteger(value) ? BigInt(value) : undefined),
};

/** An integer that JavaScript's numbers hold exactly. */
export const smallInteger: Operand<number> = {
  expected: "integer",
  read: (value) => (typeof value === "number" && Number.isInteger(value) ? value : undefined),
};

export const array: Operand<readonly Value[]> = {
  expected: "array",
  read: (value) => (isArray(value) ? value : undefined),
};

export const set: Operand<RegoSet> = {
  expected: "set",
  read: (value) => (value instanceof RegoSet ? value : undefined),
};

export const object: Operand<ObjectValue> = {
  expected: "object",
  read: (value) => (value instanceof RegoObject ? value : undefined),
};

/** The members of an array or a set, in order. */
export const members: Operand<readonly Value[]> = {
  expected: "one of {array, set}",
  read: membersOf,
};

/** The members of an array or a set, or the keys of an object, in order. */
export const membersOrKeys: Operand<readonly Value[]> = {
  expected: "one of {array, object, set}",
  read: (value) => (value instanceof RegoObject ? value.keys() : membersOf(value)),
};

/** The strings in an array or a set. */
export const strings: Operand<readonly string[]> = {
  expected: "one of {set, array} of strings",
  read: (value) => {
    const items = membersOf(value);
    return items?.every((item) => typeof item === "string") ? items : undefined;
  },
};

/** One string, or the strings in an array or a set. */
export const stringOrStrings: Operand<readonly string[]> = {
  expected: "one of {string, array of strings, set of strings}",
  read: (value) => (typeof value === "string" ? [value] : strings.read(value)),
};

function membersOf(value: Value): readonly Value[] | undefined {
  if (isArray(value)) return value;
  return value instanceof RegoSet ? value.values() : undefined;
}

type Operands<T extends readonly unknown[]> = { readonly [K in keyof T]: Operand<T[K]> };

type Implementation<T extends readonly unknown[]> = (context: BuiltinContext, ...operands: T) => Value | undefined;

/**
 * Makes a built-in from a description of its operands and a function of the operands so described. A call with an operand
 * of another type throws BuiltinError `eval_type_error` with OPA's words.
 */
export function builtin<const T extends readonly unknown[]>(
  name: string,
  operands: Operands<T>,
  implementation: Implementation<T>,
  traits: Pick<Builtin, "deprecated" | "nondeterministic"> = {},
): Builtin {
  return { name, arity: operands.length, evaluate: checkedCall(name, operands, implementation), ...traits };
}

/** The usual numbers of operands get a function without rest parameters: calls of built-ins are the engine's hot path. */
function checkedCall<T extends readonly unknown[]>(
  name: string,
  operands: Operands<T>,
  implementation: Implementation<T>,
): Builtin["evaluate"] {
  // The casts hold because the operand at each place makes the value that the implementation takes at that place.
  const [first, second, third] = operands as readonly (Operand<unknown> | undefined)[];
  const call = implementation as unknown as (context: BuiltinContext, ...values: unknown[]) => Value | undefined;
  if (first === undefined) return (context) => call(context);
  if (second === undefined) return (context, a = null) => call(context, readOperand(name, first, a, 1));
  if (third === undefined) {
    return (context, a = null, b = null) =>
      call(context, readOperand(name, first, a, 1), readOperand(name, second, b, 2));
  }
  const all = operands as readonly Operand<unknown>[];
  return (context, ...values) =>
    call(context, ...all.map((operand, index) => readOperand(name, operand, values[index] ?? null, index + 1)));
}

function readOperand<T>(name: string, operand: Operand<T>, value: Value, position: number): T {
  const read = operand.read(value);
  if (read === undefined) throw operandError(name, position, operand.expected, value);
  return read;
}

/** The error for an operand of the wrong type; positions count from 1. */
export function operandError(name: string, position: number, expected: string, value: Value): BuiltinError {
  const got = isNumber(value) && expected === "integer" ? "floating-point number" : typeName(value);
  return new BuiltinError("eval_type_error", `${name}: operand ${position} must be ${expected} but got ${got}`);
}

/** The error for operands of the right types that have no result. */
export function valueError(name: string, reason: string, cause?: unknown): BuiltinError {
  return new BuiltinError("eval_builtin_error", `${name}: ${reason}`, cause === undefined ? undefined : { cause });
}

/** Charges a text of this many UTF-16 units before it is built. */
export function chargeText(context: BuiltinContext, length: number): void {
  context.chargeOutput(1 + (length >>> 6));
}

/** Charges reading a text: steps that the caller of the built-in can't see. */
export function chargeReading(context: BuiltinContext, length: number): void {
  if (length >= 64) context.charge(length >>> 6);
}
