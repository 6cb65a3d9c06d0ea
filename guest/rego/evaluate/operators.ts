/** The operators, as built-ins: `a + b` is a call of `plus`. */
import { type Builtin, type BuiltinContext, BuiltinError } from "../builtins/types.ts";
import { add, divide, multiply, NumberError, type RegoNumber, remainder, subtract } from "../number.ts";
import { compare, equal, isArray, isNumber, RegoObject, RegoSet, typeName, type Value } from "../value.ts";

type Operation = (a: Value, b: Value, context: BuiltinContext) => Value | undefined;

function operator(name: string, evaluate: Operation): Builtin {
  return { name, arity: 2, evaluate: (context, a: Value, b: Value) => evaluate(a, b, context) };
}

/** A comparison by Rego's order: says whether the order of the operands is as wanted. */
function comparison(name: string, holds: (order: number) => boolean): Builtin {
  return operator(name, (a, b, context) => {
    context.charge(Math.min(sizeOf(a), sizeOf(b)));
    return holds(compare(a, b));
  });
}

/** Number of elements or members; 0 of a scalar. */
function sizeOf(value: Value): number {
  if (value instanceof RegoObject || value instanceof RegoSet) {
    return value.size;
  }
  return isArray(value) ? value.length : 0;
}

function arithmetic(name: string, compute: (a: RegoNumber, b: RegoNumber) => RegoNumber): Builtin {
  return operator(name, (a, b) => {
    if (!isNumber(a) || !isNumber(b)) {
      throw operandError(name, isNumber(a) ? 2 : 1, "number", isNumber(a) ? b : a);
    }
    return exact(name, () => compute(a, b));
  });
}

function exact(name: string, compute: () => RegoNumber): RegoNumber {
  try {
    return compute();
  } catch (cause) {
    if (cause instanceof NumberError) {
      throw new BuiltinError("eval_builtin_error", `${name}: ${cause.message}`, { cause });
    }
    throw cause;
  }
}

function operandError(name: string, position: number, expected: string, value: Value): BuiltinError {
  const message = `${name}: operand ${position} must be ${expected} but got ${typeName(value)}`;
  return new BuiltinError("eval_type_error", message);
}

function setOperands(name: string, a: Value, b: Value): [RegoSet, RegoSet] {
  if (!(a instanceof RegoSet) || !(b instanceof RegoSet)) {
    const isFirst = !(a instanceof RegoSet);
    throw operandError(name, isFirst ? 1 : 2, "set", isFirst ? a : b);
  }
  return [a, b];
}

function difference(a: Value, b: Value, context: BuiltinContext): Value {
  if (isNumber(a) && isNumber(b)) {
    return exact("minus", () => subtract(a, b));
  }
  if (!isNumber(a) && !(a instanceof RegoSet)) {
    throw operandError("minus", 1, "one of {number, set}", a);
  }
  if (isNumber(a)) {
    throw operandError("minus", 2, "number", b);
  }
  const [left, right] = setOperands("minus", a, b);
  context.chargeOutput(left.size);
  return RegoSet.from(left.values().filter((member) => !right.has(member)));
}

/** Whether a collection has a member with this value: `value in collection`. */
function isMember(value: Value, collection: Value, context: BuiltinContext): boolean {
  if (collection instanceof RegoSet) {
    context.charge(sizeOf(value));
    return collection.has(value);
  }
  context.charge(sizeOf(collection));
  if (collection instanceof RegoObject) {
    return collection.values().some((member) => equal(member, value, context));
  }
  return isArray(collection) && collection.some((member) => equal(member, value, context));
}

function isKeyedMember(key: Value, value: Value, collection: Value, context: BuiltinContext): boolean {
  if (collection instanceof RegoSet) {
    return equal(key, value, context) && collection.has(value);
  }
  const member = lookup(collection, key);
  return member !== undefined && equal(member, value, context);
}

/** The part of a value that a reference selects: element, member, or the member of a set itself. Undefined if there is none. */
export function lookup(value: Value, key: Value): Value | undefined {
  if (value instanceof RegoObject) {
    return value.get(key);
  }
  if (isArray(value)) {
    return typeof key === "number" ? value[key] : undefined;
  }
  return value instanceof RegoSet && value.has(key) ? key : undefined;
}

const operators: readonly Builtin[] = [
  arithmetic("plus", add),
  operator("minus", difference),
  arithmetic("mul", multiply),
  arithmetic("div", divide),
  arithmetic("rem", remainder),
  operator("equal", equal),
  operator("neq", (a, b, context) => !equal(a, b, context)),
  comparison("lt", (order) => order < 0),
  comparison("lte", (order) => order <= 0),
  comparison("gt", (order) => order > 0),
  comparison("gte", (order) => order >= 0),
  operator("eq", equal),
  operator("and", (a, b, context) => {
    const [left, right] = setOperands("and", a, b);
    context.chargeOutput(left.size);
    return RegoSet.from(left.values().filter((member) => right.has(member)));
  }),
  operator("or", (a, b, context) => {
    const [left, right] = setOperands("or", a, b);
    context.chargeOutput(left.size + right.size);
    return RegoSet.from([...left.values(), ...right.values()]);
  }),
  operator("internal.member_2", isMember),
  {
    name: "internal.member_3",
    arity: 3,
    evaluate: (context, key: Value, value: Value, collection: Value) => isKeyedMember(key, value, collection, context),
  },
];

/** The operators by the names of the built-ins that they stand for. */
export const operatorBuiltins: ReadonlyMap<string, Builtin> = new Map(operators.map((entry) => [entry.name, entry]));
