/** is_* and type_name, and the cast_* of v0. */
import { RegoSet, type TypeName, typeName, type Value } from "../value.ts";
import { any, builtin, members, type Operand } from "./operands.ts";
import type { Builtin } from "./types.ts";

const typeNames: readonly TypeName[] = ["null", "boolean", "number", "string", "array", "object", "set"];

function isType(type: TypeName): Builtin {
  return builtin(`is_${type}`, [any], (_context, value) => typeName(value) === type);
}

/** OPA's old casts convert nothing but arrays to sets and back; of the other types they only let the same type pass. */
function cast(name: TypeName, operand: Operand<Value>): Builtin {
  return builtin(`cast_${name}`, [operand], (_context, value) => value, { deprecated: true });
}

function only(type: TypeName): Operand<Value> {
  return { expected: type, read: (value) => (typeName(value) === type ? value : undefined) };
}

const membersAsSet: Operand<Value> = {
  expected: "one of {array, set}",
  read: (value) => {
    const items = members.read(value);
    return items === undefined ? undefined : RegoSet.from(items);
  },
};

export const typeCheckBuiltins: readonly Builtin[] = [
  builtin("type_name", [any], (_context, value) => typeName(value)),
  ...typeNames.map(isType),
  cast("array", members),
  cast("set", membersAsSet),
  cast("string", only("string")),
  cast("boolean", only("boolean")),
  cast("object", only("object")),
  cast("null", only("null")),
];
