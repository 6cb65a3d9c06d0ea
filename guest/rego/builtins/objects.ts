/** The object.* built-ins. */
import { equal, isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { maxDocumentDepth } from "./limits.ts";
import { any, array, builtin, membersOrKeys, type Operand, object, operandError, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

const arrayOfObjects: Operand<readonly RegoObject[]> = {
  expected: "array of objects",
  read: (value) => {
    const items = array.read(value);
    return items?.every((item) => item instanceof RegoObject) ? items : undefined;
  },
};

/** The value under a key, or at a path of keys given as an array; the fallback if there is none. */
function get(_context: BuiltinContext, source: RegoObject, key: Value, fallback: Value): Value {
  if (!isArray(key)) return source.get(key) ?? fallback;
  let value: Value | undefined = source;
  for (const segment of key) {
    value = value === undefined ? undefined : memberAt(value, segment);
  }
  return value ?? fallback;
}

function memberAt(value: Value, key: Value): Value | undefined {
  if (value instanceof RegoObject) return value.get(key);
  if (value instanceof RegoSet) return value.has(key) ? key : undefined;
  return isArray(value) && typeof key === "number" ? value[key] : undefined;
}

function selectMembers(context: BuiltinContext, source: RegoObject, keep: (key: Value) => boolean): RegoObject {
  context.chargeOutput(source.size);
  return RegoObject.from([...source].filter(([key]) => keep(key)));
}

function union(context: BuiltinContext, left: Value, right: Value, depth = 0): Value {
  if (!(left instanceof RegoObject && right instanceof RegoObject)) return right;
  if (depth > maxDocumentDepth) throw valueError("object.union", "objects nest too deeply");
  context.chargeOutput(left.size + right.size);
  const merged = RegoObject.from(left);
  for (const [key, value] of right) {
    const other = left.get(key);
    merged.set(key, other === undefined ? value : union(context, other, value, depth + 1));
  }
  return merged;
}

/** Whether everything in `part` is in `whole`: members with their values; in arrays a run of equal elements. */
function isSubset(context: BuiltinContext, whole: Value, part: Value): boolean {
  if (whole instanceof RegoObject && part instanceof RegoObject) return isSubObject(context, whole, part);
  if (whole instanceof RegoSet && part instanceof RegoSet) return part.values().every((item) => whole.has(item));
  if (isArray(whole) && isArray(part)) return isSubArray(context, whole, part);
  if (isArray(whole) && part instanceof RegoSet) {
    const members = RegoSet.from(whole);
    return part.values().every((item) => members.has(item));
  }
  throw valueError("object.subset", "both arguments object.subset must be of the same type or array and set");
}

function isSubObject(context: BuiltinContext, whole: RegoObject, part: RegoObject): boolean {
  context.charge(part.size);
  return [...part].every(([key, value]) => {
    const other = whole.get(key);
    if (other === undefined) return false;
    const isCollection = value instanceof RegoObject || value instanceof RegoSet || isArray(value);
    return isCollection && other !== null && typeof other === "object" && sameKind(other, value)
      ? isSubset(context, other, value)
      : equal(other, value);
  });
}

function sameKind(a: Value, b: Value): boolean {
  return (
    (a instanceof RegoObject && b instanceof RegoObject) ||
    (a instanceof RegoSet && b instanceof RegoSet) ||
    (isArray(a) && isArray(b))
  );
}

function isSubArray(context: BuiltinContext, whole: readonly Value[], part: readonly Value[]): boolean {
  context.charge(whole.length * Math.max(part.length, 1));
  for (let start = 0; start + part.length <= whole.length; start++) {
    if (part.every((item, index) => equal(item, whole[start + index] ?? null))) return true;
  }
  return false;
}

export const objectBuiltins: readonly Builtin[] = [
  builtin("object.get", [object, any, any], get),
  builtin("object.keys", [object], (context, source) => {
    context.chargeOutput(source.size);
    return RegoSet.from(source.keys());
  }),
  builtin("object.remove", [object, membersOrKeys], (context, source, keys) => {
    const removed = RegoSet.from(keys);
    return selectMembers(context, source, (key) => !removed.has(key));
  }),
  builtin("object.filter", [object, membersOrKeys], (context, source, keys) => {
    const kept = RegoSet.from(keys);
    return selectMembers(context, source, (key) => kept.has(key));
  }),
  builtin("object.union", [object, object], (context, left, right) => union(context, left, right)),
  builtin("object.union_n", [arrayOfObjects], (context, sources) =>
    sources.reduce<Value>((merged, source) => union(context, merged, source), new RegoObject()),
  ),
  builtin("object.subset", [any, any], (context, whole, part) => {
    if (!(isArray(whole) || whole instanceof RegoObject || whole instanceof RegoSet)) {
      throw operandError("object.subset", 1, "one of {array, object, set}", whole);
    }
    return isSubset(context, whole, part);
  }),
];
