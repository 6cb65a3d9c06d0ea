import type { WireReader } from "./reader.ts";
import type { ScalarType } from "./schema.ts";
import { wireTypes } from "./wire.ts";
import type { WireWriter } from "./writer.ts";

/** Value of a scalar field in a decoded object. */
export type ScalarValue = string | number | bigint | boolean | Uint8Array;

/** How a scalar type travels. */
export interface ScalarCodec {
  readonly wireType: number;
  /** What a field that was not sent holds, and what need not be sent. */
  readonly zero: ScalarValue;
  read(reader: WireReader): ScalarValue;
  /** @throws TypeError or RangeError when the value is not one of the type */
  write(writer: WireWriter, value: unknown): void;
}

const { varint, fixed32, fixed64, lengthDelimited } = wireTypes;

const int32: ScalarCodec = {
  wireType: varint,
  zero: 0,
  read: (reader) => reader.readInt32(),
  write: (writer, value) => writer.writeInt32(integer(value, -0x8000_0000, 0x7fff_ffff)),
};

/** Everything about the scalar types of proto3, in one table. */
export const scalarCodecs: Readonly<Record<ScalarType, ScalarCodec>> = {
  int32,
  enum: int32,
  uint32: {
    wireType: varint,
    zero: 0,
    read: (reader) => reader.readUint32(),
    write: (writer, value) => writer.writeUint32(integer(value, 0, 0xffff_ffff)),
  },
  sint32: {
    wireType: varint,
    zero: 0,
    read: (reader) => reader.readSint32(),
    write: (writer, value) => writer.writeSint32(integer(value, -0x8000_0000, 0x7fff_ffff)),
  },
  bool: {
    wireType: varint,
    zero: false,
    read: (reader) => reader.readBool(),
    write: (writer, value) => writer.writeUint32(boolean(value) ? 1 : 0),
  },
  int64: {
    wireType: varint,
    zero: 0n,
    read: (reader) => reader.readInt64(),
    write: (writer, value) => writer.writeUint64(BigInt.asUintN(64, signed64(value))),
  },
  uint64: {
    wireType: varint,
    zero: 0n,
    read: (reader) => reader.readUint64(),
    write: (writer, value) => writer.writeUint64(unsigned64(value)),
  },
  sint64: {
    wireType: varint,
    zero: 0n,
    read: (reader) => reader.readSint64(),
    write: (writer, value) => writer.writeSint64(signed64(value)),
  },
  fixed32: {
    wireType: fixed32,
    zero: 0,
    read: (reader) => reader.readFixed32(),
    write: (writer, value) => writer.writeFixed32(integer(value, 0, 0xffff_ffff)),
  },
  sfixed32: {
    wireType: fixed32,
    zero: 0,
    read: (reader) => reader.readSfixed32(),
    write: (writer, value) => writer.writeFixed32(integer(value, -0x8000_0000, 0x7fff_ffff) >>> 0),
  },
  fixed64: {
    wireType: fixed64,
    zero: 0n,
    read: (reader) => reader.readFixed64(),
    write: (writer, value) => writer.writeFixed64(unsigned64(value)),
  },
  sfixed64: {
    wireType: fixed64,
    zero: 0n,
    read: (reader) => reader.readSfixed64(),
    write: (writer, value) => writer.writeFixed64(BigInt.asUintN(64, signed64(value))),
  },
  float: {
    wireType: fixed32,
    zero: 0,
    read: (reader) => reader.readFloat(),
    write: (writer, value) => writer.writeFloat(number(value)),
  },
  double: {
    wireType: fixed64,
    zero: 0,
    read: (reader) => reader.readDouble(),
    write: (writer, value) => writer.writeDouble(number(value)),
  },
  string: {
    wireType: lengthDelimited,
    zero: "",
    read: (reader) => reader.readString(),
    write: (writer, value) => writer.writeString(string(value)),
  },
  bytes: {
    wireType: lengthDelimited,
    zero: new Uint8Array(0),
    read: (reader) => reader.readBytes(),
    write: (writer, value) => writer.writeBytes(bytes(value)),
  },
};

/** Whether the value is the one that a field has when it was not sent; proto3 leaves such values out. */
export function isZero(codec: ScalarCodec, value: unknown): boolean {
  return value instanceof Uint8Array ? value.byteLength === 0 : Object.is(value, codec.zero);
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("not a number");
  return value;
}

function integer(value: unknown, lowest: number, highest: number): number {
  if (typeof value !== "number") throw new TypeError("not a number");
  if (!Number.isInteger(value) || value < lowest || value > highest) throw new RangeError("not in the type's range");
  return value;
}

function signed64(value: unknown): bigint {
  if (typeof value !== "bigint") throw new TypeError("not a bigint");
  if (BigInt.asIntN(64, value) !== value) throw new RangeError("not in the type's range");
  return value;
}

function unsigned64(value: unknown): bigint {
  if (typeof value !== "bigint") throw new TypeError("not a bigint");
  if (BigInt.asUintN(64, value) !== value) throw new RangeError("not in the type's range");
  return value;
}

function boolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw new TypeError("not a boolean");
  return value;
}

function string(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("not a string");
  return value;
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError("not a Uint8Array");
  return value;
}
