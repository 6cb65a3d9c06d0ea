import { GuestError } from "../../core/errors.ts";
import { maxElements, maxMessageDepth } from "./limits.ts";
import { WireReader } from "./reader.ts";
import { type ScalarCodec, type ScalarValue, scalarCodecs } from "./scalars.ts";
import type { FieldSchema, FieldType, MessageSchema, ScalarType } from "./schema.ts";
import { WireError, wireTypes } from "./wire.ts";

/** How {@link decodeMessage} treats what the sender should not have sent. */
export interface DecodeOptions {
  /**
   * `reject` is for requests: besides unknown fields it refuses whatever two decoders could read differently, that is
   * fields and map keys sent twice, two members of a oneof, numbers that don't fit their type (threat-model row 4).
   * `ignore` is for answers of peers that may be newer: standard protobuf rules, the last value counts.
   */
  readonly unknownFields: "reject" | "ignore";
  /** Leave `bytes` members as views of the input instead of copies. For envelopes whose payload is decoded at once. */
  readonly bytesAsViews?: boolean;
}

/**
 * Decodes a message.
 *
 * @returns a plain object with every field present, as {@link FieldSchema} describes. It shares nothing with `bytes`
 *   unless `bytesAsViews` is set; empty lists and maps are frozen and shared.
 * @throws GuestError `invalid-argument` when the bytes are not such a message or exceed the limits of limits.ts. Its
 *   message names the field and no content.
 */
export function decodeMessage<T>(schema: MessageSchema<T>, bytes: Uint8Array, options: DecodeOptions): T {
  const strict = options.unknownFields === "reject";
  const decoding: Decoding = {
    reader: new WireReader(bytes, strict),
    strict,
    bytesAsViews: options.bytesAsViews === true,
    depth: 0,
    elements: 0,
    field: undefined,
  };
  try {
    // The decoder fills in every field of the schema, whose type parameter is the type of exactly that object.
    return decoderOf(schema)(decoding, undefined) as T;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const place = decoding.field === undefined ? "" : ` at ${decoding.field}`;
    throw new GuestError("invalid-argument", `cannot decode ${schema.fullName}${place}: ${error.message}`);
  }
}

/** State of one call of {@link decodeMessage}. */
interface Decoding {
  readonly reader: WireReader;
  readonly strict: boolean;
  readonly bytesAsViews: boolean;
  depth: number;
  elements: number;
  /** Message and name of the field at hand, for the error. */
  field: string | undefined;
}

type DecodedMessage = Record<string, unknown>;

/** Decodes the rest of the reader's range, into an earlier occurrence of the same field if there was one. */
type MessageDecoder = (decoding: Decoding, earlier: DecodedMessage | undefined) => DecodedMessage;

interface FieldDecoder {
  readonly place: string;
  /** The bit that notes that the field was there; 0 for lists and maps, members of a oneof share one. */
  readonly bit: number;
  decode(decoding: Decoding, target: DecodedMessage, wireType: number): void;
}

/** Compiled decoders; a memo of pure functions of the schemas, not state. */
const decoders = new WeakMap<MessageSchema, MessageDecoder>();

const emptyList: readonly unknown[] = Object.freeze([]);
const emptyMap: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null));

function decoderOf(schema: MessageSchema): MessageDecoder {
  const known = decoders.get(schema);
  if (known !== undefined) return known;
  const compiled = compileMessage(schema);
  decoders.set(schema, compiled);
  return compiled;
}

function compileMessage(schema: MessageSchema): MessageDecoder {
  const template: DecodedMessage = {};
  for (const field of schema.fields) template[field.name] = absentValue(field);
  const fields = compileFields(schema);

  return (decoding, earlier) => {
    const { reader } = decoding;
    if (++decoding.depth > maxMessageDepth) throw new WireError("messages are nested too deeply");
    const target = earlier ?? { ...template };
    let seen = 0;
    while (reader.position < reader.end) {
      const tag = reader.readTag();
      const field = fields[tag >>> 3];
      if (field === undefined) {
        skipUnknown(decoding, schema, tag);
        continue;
      }
      decoding.field = field.place;
      if (decoding.strict && (seen & field.bit) !== 0) throw new WireError("the field was sent twice");
      seen |= field.bit;
      field.decode(decoding, target, tag & 7);
    }
    decoding.depth--;
    return target;
  };
}

function skipUnknown(decoding: Decoding, schema: MessageSchema, tag: number): void {
  if (decoding.strict) {
    decoding.field = schema.fullName;
    throw new WireError(`field number ${tag >>> 3} is not known`);
  }
  decoding.reader.skipValue(tag & 7);
}

function absentValue(field: FieldSchema): unknown {
  if (field.label === "repeated") return emptyList;
  if (field.label === "map") return emptyMap;
  return field.label === "singular" && typeof field.type === "string" ? scalarCodecs[field.type].zero : null;
}

/** @returns decoders by field number */
function compileFields(schema: MessageSchema): readonly (FieldDecoder | undefined)[] {
  const byNumber: FieldDecoder[] = [];
  const bits = new Map<string, number>();
  for (const field of schema.fields) {
    const isSingle = field.label !== "repeated" && field.label !== "map";
    const presence = field.oneof ?? field.name;
    if (isSingle && !bits.has(presence)) bits.set(presence, 1 << bits.size);
    byNumber[field.number] = {
      place: `${schema.fullName}.${field.name}`,
      bit: isSingle ? (bits.get(presence) ?? 0) : 0,
      decode: compileField(schema, field),
    };
  }
  if (bits.size > 32) throw new TypeError(`${schema.fullName} has more than 32 singular fields`);
  return byNumber;
}

function compileField(schema: MessageSchema, field: FieldSchema): FieldDecoder["decode"] {
  const { name, type } = field;
  if (field.label === "map") return mapField(schema, field);
  if (field.label === "repeated") return typeof type === "string" ? scalarList(name, type) : messageList(name, type);
  const decode = typeof type === "string" ? scalarField(name, type) : messageField(name, type);
  if (field.label !== "oneof") return decode;
  const others = schema.fields.filter((other) => other.oneof === field.oneof && other !== field);
  return (decoding, target, wireType) => {
    for (const other of others) target[other.name] = null;
    decode(decoding, target, wireType);
  };
}

function scalarField(name: string, type: ScalarType): FieldDecoder["decode"] {
  const codec = scalarCodecs[type];
  return (decoding, target, wireType) => {
    expectWireType(codec.wireType, wireType);
    target[name] = readScalar(decoding, type, codec);
  };
}

function messageField(name: string, type: () => MessageSchema): FieldDecoder["decode"] {
  return (decoding, target, wireType) => {
    // Another value is there only when the field was sent before and standard rules hold: then both are merged.
    target[name] = readMessage(decoding, type, wireType, target[name] as DecodedMessage | null);
  };
}

function scalarList(name: string, type: ScalarType): FieldDecoder["decode"] {
  const codec = scalarCodecs[type];
  const canBePacked = codec.wireType !== wireTypes.lengthDelimited;
  return (decoding, target, wireType) => {
    const list = ownList(target, name);
    if (!canBePacked || wireType !== wireTypes.lengthDelimited) {
      expectWireType(codec.wireType, wireType);
      countElement(decoding);
      list.push(readScalar(decoding, type, codec));
      return;
    }
    withinLengthDelimited(decoding.reader, () => {
      while (decoding.reader.position < decoding.reader.end) {
        countElement(decoding);
        list.push(codec.read(decoding.reader));
      }
    });
  };
}

function messageList(name: string, type: () => MessageSchema): FieldDecoder["decode"] {
  return (decoding, target, wireType) => {
    countElement(decoding);
    ownList(target, name).push(readMessage(decoding, type, wireType, null));
  };
}

/** A map travels as a list of messages with the fields `key` = 1 and `value` = 2, each of which may be left out. */
function mapField(schema: MessageSchema, field: FieldSchema): FieldDecoder["decode"] {
  const { name, type, mapKey = "string" } = field;
  const entrySchema: MessageSchema = {
    fullName: `${schema.fullName}.${name}`,
    fields: [
      { name: "key", number: 1, type: mapKey, label: "singular" },
      { name: "value", number: 2, type, label: "singular" },
    ],
  };
  return (decoding, target, wireType) => {
    countElement(decoding);
    const { key, value } = readMessage(decoding, () => entrySchema, wireType, null);
    const map = ownMap(target, name);
    if (decoding.strict && String(key) in map) throw new WireError("the map has a key twice");
    map[String(key)] = value ?? emptyMessage(type);
  };
}

/** What an entry without value stands for: a message of which no field was sent. */
function emptyMessage(type: FieldType): unknown {
  if (typeof type === "string") return scalarCodecs[type].zero;
  return decodeMessage(type(), new Uint8Array(0), { unknownFields: "reject" });
}

function readScalar(decoding: Decoding, type: string, codec: ScalarCodec): ScalarValue {
  return type === "bytes" && decoding.bytesAsViews ? decoding.reader.readBytesView() : codec.read(decoding.reader);
}

function readMessage(
  decoding: Decoding,
  type: () => MessageSchema,
  wireType: number,
  earlier: DecodedMessage | null,
): DecodedMessage {
  expectWireType(wireTypes.lengthDelimited, wireType);
  return withinLengthDelimited(decoding.reader, () => decoderOf(type())(decoding, earlier ?? undefined));
}

/** Narrows the reader to the bytes that the length prefix at hand covers while `read` runs. */
function withinLengthDelimited<T>(reader: WireReader, read: () => T): T {
  const outerEnd = reader.end;
  reader.end = reader.readEndOfLengthDelimited();
  const result = read();
  reader.end = outerEnd;
  return result;
}

function expectWireType(expected: number, actual: number): void {
  if (actual !== expected) throw new WireError(`wire type is ${actual} instead of ${expected}`);
}

function countElement(decoding: Decoding): void {
  if (++decoding.elements > maxElements) throw new WireError(`more than ${maxElements} list elements`);
}

function ownList(target: DecodedMessage, name: string): unknown[] {
  if (target[name] === emptyList) target[name] = [];
  // Only this file writes to the object, and a list is all that it puts there.
  return target[name] as unknown[];
}

function ownMap(target: DecodedMessage, name: string): Record<string, unknown> {
  if (target[name] === emptyMap) target[name] = Object.create(null);
  // As above: nothing but a map without prototype gets there.
  return target[name] as Record<string, unknown>;
}
