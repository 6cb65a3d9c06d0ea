import { messageOf } from "../../core/errors.ts";
import type { MessageInit } from "../method.ts";
import { isZero, scalarCodecs } from "./scalars.ts";
import type { FieldSchema, FieldType, MessageSchema, ScalarType } from "./schema.ts";
import { wireTypes } from "./wire.ts";
import { WireWriter } from "./writer.ts";

/**
 * Encodes a message, fields in ascending order of number, lists of numbers packed, so that equal messages have equal bytes
 * (but for the order of map entries, which is that of the object).
 *
 * @param init members that are absent, `undefined` or `null` are not sent
 * @param headroom zero bytes to put in front, for a header that the caller fills in
 * @throws EncodeError when a member does not have its field's type
 */
export function encodeMessage<T>(schema: MessageSchema<T>, init: MessageInit<T>, headroom = 0): Uint8Array {
  const writer = new WireWriter(headroom);
  encoderOf(schema)(writer, init);
  return writer.finish();
}

/** A value that its field cannot hold: a mistake of the caller. The message names the field and no content. */
export class EncodeError extends TypeError {
  override readonly name = "EncodeError";
}

type Encoder = (writer: WireWriter, value: unknown) => void;

/** Compiled encoders; a memo of pure functions of the schemas, not state. */
const encoders = new WeakMap<MessageSchema, Encoder>();

function encoderOf(schema: MessageSchema): Encoder {
  const known = encoders.get(schema);
  if (known !== undefined) return known;
  const compiled = compileMessage(schema);
  encoders.set(schema, compiled);
  return compiled;
}

function compileMessage(schema: MessageSchema): Encoder {
  const fields = schema.fields.map((field) => ({
    name: field.name,
    place: `${schema.fullName}.${field.name}`,
    encode: compileField(field),
  }));
  return (writer, value) => {
    const message = members(value, schema.fullName);
    for (const { name, place, encode } of fields) {
      const member = message[name];
      if (member === undefined || member === null) continue;
      try {
        encode(writer, member);
      } catch (error) {
        // The innermost field has named itself already.
        throw error instanceof EncodeError ? error : new EncodeError(`${place}: ${messageOf(error)}`);
      }
    }
  };
}

function compileField(field: FieldSchema): Encoder {
  const { number, type } = field;
  if (field.label === "map") return mapEncoder(field);
  if (field.label === "repeated") return listEncoder(number, type);
  const encode = taggedEncoder(number, type);
  if (typeof type !== "string" || field.label !== "singular") return encode;
  const codec = scalarCodecs[type];
  return (writer, value) => {
    if (!isZero(codec, value)) encode(writer, value);
  };
}

/** Writes tag and value whatever the value is. */
function taggedEncoder(number: number, type: FieldType): Encoder {
  if (typeof type === "string") {
    const codec = scalarCodecs[type];
    const tag = (number << 3) | codec.wireType;
    return (writer, value) => {
      writer.writeUint32(tag);
      codec.write(writer, value);
    };
  }
  const tag = (number << 3) | wireTypes.lengthDelimited;
  return (writer, value) => {
    writer.writeUint32(tag);
    writer.writeLengthDelimited(() => encoderOf(type())(writer, value));
  };
}

function listEncoder(number: number, type: FieldType): Encoder {
  if (typeof type === "string" && scalarCodecs[type].wireType !== wireTypes.lengthDelimited) {
    return packedEncoder(number, type);
  }
  const encode = taggedEncoder(number, type);
  return (writer, value) => {
    for (const element of elements(value)) encode(writer, element);
  };
}

function packedEncoder(number: number, type: ScalarType): Encoder {
  const codec = scalarCodecs[type];
  const tag = (number << 3) | wireTypes.lengthDelimited;
  return (writer, value) => {
    const list = elements(value);
    if (list.length === 0) return;
    writer.writeUint32(tag);
    writer.writeLengthDelimited(() => {
      for (const element of list) codec.write(writer, element);
    });
  };
}

/** Key and value of an entry are always sent, as other encoders do. */
function mapEncoder(field: FieldSchema): Encoder {
  const tag = (field.number << 3) | wireTypes.lengthDelimited;
  const keyType = field.mapKey ?? "string";
  const encodeKey = taggedEncoder(1, keyType);
  const encodeValue = taggedEncoder(2, field.type);
  return (writer, value) => {
    for (const [key, member] of Object.entries(members(value, field.name))) {
      writer.writeUint32(tag);
      writer.writeLengthDelimited(() => {
        encodeKey(writer, parseMapKey(keyType, key));
        encodeValue(writer, member);
      });
    }
  };
}

/** Keys of an object are strings; on the wire they have the map's type. */
function parseMapKey(type: NonNullable<FieldSchema["mapKey"]>, key: string): unknown {
  if (type === "string") return key;
  if (type === "bool") return key === "true";
  return type === "int64" || type === "uint64" ? BigInt(key) : Number(key);
}

function members(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new TypeError(`${name} is not an object`);
  // Any object can be looked into by name; what is found has the type unknown.
  return value as Readonly<Record<string, unknown>>;
}

function elements(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("not a list");
  return value;
}
