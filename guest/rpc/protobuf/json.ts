import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import type { MessageInit } from "../method.ts";
import { scalarCodecs } from "./scalars.ts";
import type { FieldSchema, FieldType, MessageSchema, ScalarType } from "./schema.ts";

const wideTypes: ReadonlySet<ScalarType> = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);

/** Deepest nesting of messages that is converted; deeper input is no message of these protocols. */
const maxDepth = 32;

/**
 * A decoded message as JSON under the proto's own names: 64-bit numbers as bigint, bytes in base64, messages that were not
 * sent as null.
 */
export function toJsonValue<T>(schema: MessageSchema<T>, message: T): JsonObject {
  // Decoded messages are objects whose members are the fields of the schema.
  const members = message as Readonly<Record<string, unknown>>;
  return Object.fromEntries(schema.fields.map((field) => [field.name, fieldToJson(field, members[field.name])]));
}

function fieldToJson(field: FieldSchema, value: unknown): JsonValue {
  if (field.label === "repeated" && Array.isArray(value)) {
    return value.map((element) => singleToJson(field.type, element));
  }
  if (field.label === "map" && typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, singleToJson(field.type, member)]));
  }
  return singleToJson(field.type, value);
}

function singleToJson(type: FieldType, value: unknown): JsonValue {
  if (value === null || value === undefined) return null;
  if (typeof type !== "string") return toJsonValue(type(), value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return value;
  return String(value);
}

/**
 * A message from JSON, under the proto's own names. Accepts what {@link toJsonValue} makes, and besides it 64-bit numbers as
 * decimal text, bytes as a list of integers, and absent members.
 *
 * @throws TypeError or RangeError that names the member
 */
export function fromJsonValue<T>(schema: MessageSchema<T>, json: JsonValue): MessageInit<T> {
  // Every member has been checked against its field in the schema, whose type parameter says the same.
  return messageFromJson(schema, json, schema.fullName, 0) as MessageInit<T>;
}

function messageFromJson(
  schema: MessageSchema,
  json: JsonValue,
  place: string,
  depth: number,
): Record<string, unknown> {
  if (depth > maxDepth) throw new RangeError(`${place}: nested too deeply`);
  const fields = new Map(schema.fields.map((field) => [field.name, field]));
  const message: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(objectFrom(json, place))) {
    const field = fields.get(name);
    if (field === undefined) throw new TypeError(`${place}: there is no field ${name}`);
    if (value !== null) message[name] = fieldFromJson(field, value, `${place}.${name}`, depth);
  }
  return message;
}

function fieldFromJson(field: FieldSchema, json: JsonValue, place: string, depth: number): unknown {
  if (field.label === "repeated") {
    if (!isJsonArray(json)) throw new TypeError(`${place}: not a list`);
    return json.map((element, index) => singleFromJson(field.type, element, `${place}[${index}]`, depth));
  }
  if (field.label === "map") {
    const map: Record<string, unknown> = Object.create(null);
    for (const [key, value] of Object.entries(objectFrom(json, place))) {
      map[key] = singleFromJson(field.type, value, `${place}.${key}`, depth);
    }
    return map;
  }
  return singleFromJson(field.type, json, place, depth);
}

function singleFromJson(type: FieldType, json: JsonValue, place: string, depth: number): unknown {
  if (typeof type !== "string") return messageFromJson(type(), json, place, depth + 1);
  if (type === "bytes") return bytesFromJson(json, place);
  if (wideTypes.has(type)) return bigintFromJson(json, place);
  if (typeof json !== typeof scalarCodecs[type].zero) throw new TypeError(`${place}: not a ${type}`);
  return json;
}

function bigintFromJson(json: JsonValue, place: string): bigint {
  if (typeof json === "bigint") return json;
  if (typeof json === "number" && Number.isSafeInteger(json)) return BigInt(json);
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) return BigInt(json);
  throw new TypeError(`${place}: not an integer`);
}

function bytesFromJson(json: JsonValue, place: string): Uint8Array {
  if (isJsonArray(json)) return Uint8Array.from(json, (element) => byteFromJson(element, place));
  const isBase64 = typeof json === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(json) && json.length % 4 === 0;
  if (!isBase64) throw new TypeError(`${place}: neither base64 nor a list of bytes`);
  return new Uint8Array(Buffer.from(json, "base64"));
}

function byteFromJson(json: JsonValue, place: string): number {
  if (typeof json === "number" && Number.isInteger(json) && json >= 0 && json <= 255) return json;
  throw new TypeError(`${place}: not a list of bytes`);
}

function objectFrom(json: JsonValue, place: string): JsonObject {
  if (!isJsonObject(json)) throw new TypeError(`${place}: not an object`);
  return json;
}
