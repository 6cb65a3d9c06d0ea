import fc from "fast-check";
import type { MessageInit } from "../../../guest/rpc/method.ts";
import { scalarCodecs } from "../../../guest/rpc/protobuf/scalars.ts";
import type { FieldSchema, FieldType, MessageSchema, ScalarType } from "../../../guest/rpc/protobuf/schema.ts";

const scalarTypes: readonly ScalarType[] = [
  "string",
  "bytes",
  "bool",
  "int32",
  "uint32",
  "sint32",
  "fixed32",
  "sfixed32",
  "int64",
  "uint64",
  "sint64",
  "fixed64",
  "sfixed64",
  "float",
  "double",
];

const leaf: MessageSchema = {
  fullName: "every.Leaf",
  fields: [
    { name: "text", number: 1, type: "string", label: "singular" },
    { name: "list", number: 2, type: "string", label: "repeated" },
  ],
};

/** A message with every scalar type under every label, nested messages, maps and a field number of two bytes. */
export const everyType: MessageSchema<Record<string, unknown>> = {
  fullName: "every.Type",
  fields: [
    ...scalarTypes.map((type, i): FieldSchema => ({ name: `one_${type}`, number: i + 1, type, label: "singular" })),
    ...scalarTypes.map((type, i): FieldSchema => ({ name: `all_${type}`, number: i + 16, type, label: "repeated" })),
    ...scalarTypes.map(
      (type, i): FieldSchema => ({ name: `map_${type}`, number: i + 31, type, label: "map", mapKey: "string" }),
    ),
    { name: "map_leaf", number: 46, type: () => leaf, label: "map", mapKey: "int64" },
    { name: "by_bool", number: 47, type: "int32", label: "map", mapKey: "bool" },
    { name: "maybe", number: 48, type: "uint64", label: "optional" },
    { name: "maybe_text", number: 49, type: "string", label: "optional" },
    { name: "left", number: 50, type: "int32", label: "oneof", oneof: "side" },
    { name: "right", number: 51, type: () => leaf, label: "oneof", oneof: "side" },
    { name: "leaf", number: 52, type: () => leaf, label: "singular" },
    { name: "leaves", number: 2000, type: () => leaf, label: "repeated" },
  ],
};

/** The schemas as the text of a proto file, for other implementations. */
export const everyTypeProto = `syntax = "proto3";\npackage every;\n${[leaf, everyType].map(protoOf).join("\n")}`;

function protoOf(schema: MessageSchema): string {
  return `message ${schema.fullName.replace("every.", "")} {\n${schema.fields.map(protoFieldOf).join("\n")}\n}`;
}

function protoFieldOf({ name, number, type, label, mapKey, oneof }: FieldSchema): string {
  const typeName = typeof type === "string" ? type : type().fullName;
  if (label === "map") return `map<${mapKey}, ${typeName}> ${name} = ${number};`;
  // A oneof may be written once only, so both members stand in the text of the first.
  if (name === "right") return "";
  if (label === "oneof") return `oneof ${oneof} { ${typeName} ${name} = ${number}; Leaf right = 51; }`;
  return `${label === "singular" ? "" : label} ${typeName} ${name} = ${number};`;
}

const scalars: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: "binary", maxLength: 80 }),
  bytes: fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes)),
  bool: fc.boolean(),
  int32: fc.integer(),
  enum: fc.integer({ min: 0, max: 2 }),
  sint32: fc.integer(),
  sfixed32: fc.integer(),
  uint32: fc.nat(0xffff_ffff),
  fixed32: fc.nat(0xffff_ffff),
  int64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  sint64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  sfixed64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  uint64: fc.bigInt(0n, 2n ** 64n - 1n),
  fixed64: fc.bigInt(0n, 2n ** 64n - 1n),
  float: fc.float({ noNaN: true }),
  double: fc.double({ noNaN: true }),
};

/** Any message of a schema, in the form that decoding gives. */
export function anyMessage<T>(schema: MessageSchema<T>): fc.Arbitrary<T> {
  const members = Object.fromEntries(schema.fields.map((field) => [field.name, anyField(field)]));
  // The record holds the fields of the schema, and T is the type of that record.
  return fc.record(members).map((message) => onlyOneOfEach(schema, message)) as fc.Arbitrary<T>;
}

function anyField(field: FieldSchema): fc.Arbitrary<unknown> {
  const single = anySingle(field.type);
  if (field.label === "repeated") return fc.array(single, { maxLength: 5 });
  if (field.label === "map") return fc.array(fc.tuple(anyKey(field), single), { maxLength: 4 }).map(mapFrom);
  const isAlwaysThere = field.label === "singular" && typeof field.type === "string";
  return isAlwaysThere ? single : fc.option(single);
}

function anyKey({ mapKey }: FieldSchema): fc.Arbitrary<string> {
  if (mapKey === "string") return fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.constant("__proto__"));
  return mapKey === "bool" ? fc.constantFrom("true", "false") : fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String);
}

function anySingle(type: FieldType): fc.Arbitrary<unknown> {
  return typeof type === "string" ? scalars[type] : anyMessage(type());
}

function mapFrom(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const map: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entries) map[key] = value;
  return map;
}

/** Of each oneof, the first member that is set stays. */
function onlyOneOfEach(schema: MessageSchema, message: Record<string, unknown>): Record<string, unknown> {
  const taken = new Set<string>();
  for (const { name, oneof } of schema.fields) {
    if (oneof === undefined || message[name] === null) continue;
    if (taken.has(oneof)) message[name] = null;
    taken.add(oneof);
  }
  return message;
}

/** A message as {@link everyType} decodes it when nothing was sent. */
export function emptyEveryType(): MessageInit<Record<string, unknown>> {
  return Object.fromEntries(
    everyType.fields.map(({ name, label, type }) => {
      if (label === "repeated") return [name, []];
      if (label === "map") return [name, Object.create(null)];
      return [name, label === "singular" && typeof type === "string" ? scalarCodecs[type].zero : null];
    }),
  );
}
