import { GuestError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { FieldSchema, MessageSchema, ScalarType } from "../rpc/protobuf/schema.ts";
import { copyFileInput } from "./copy-file-input.ts";

/** What turns a decoded value into JSON; absent where the decoded value is JSON as it is. */
type Conversion = ((value: never) => JsonValue) | undefined;

/** A conversion under way; messages may contain themselves. */
interface Pending {
  conversion: Conversion;
}

/**
 * Turns decoded requests into the JSON that policies are written against (spec/policy-enforcement.md 3): every field is there
 * under its proto name, `type` is `type_`, bytes are lists of integers, 64-bit integers are exact, a message that was not sent
 * is `null`, and an unset oneof is `null` under the oneof's name.
 *
 * Decoded messages are almost that already, so a mapping is compiled once a schema and leaves alone what needs no change: most
 * requests are handed to the engine as they are.
 */
export class PolicyInputs {
  readonly #conversions = new Map<MessageSchema, Pending>();

  /**
   * The input for a request.
   *
   * @param schema the request's schema
   * @param message the decoded, frozen request
   * @throws GuestError `internal` when a CopyFile asks for a link whose target is not text
   */
  inputOf<T>(schema: MessageSchema<T>, message: T): JsonObject {
    if (schema.fullName === "grpc.CopyFileRequest") return copyFileInput(message);
    const conversion = this.#messageConversion(schema);
    // A decoded message is a record of the values that its schema names; without a conversion all of them are JSON values.
    if (conversion === undefined) return message as JsonObject;
    return conversion(message as never) as JsonObject;
  }

  #messageConversion(schema: MessageSchema): Conversion {
    const known = this.#conversions.get(schema);
    if (known !== undefined) return known.conversion;
    // Until it is known what the message needs, a message inside itself is converted; that is right in any case.
    const pending: Pending = { conversion: (message) => this.#messageConversion(schema)?.(message) ?? message };
    this.#conversions.set(schema, pending);
    const members = schema.fields.map((field) => this.#memberConversion(field));
    pending.conversion = members.some((member) => member.changes) ? convertMembers(members) : undefined;
    return pending.conversion;
  }

  #memberConversion(field: FieldSchema): Member {
    if (field.label === "oneof") return oneofMember(field);
    const convert = this.#fieldConversion(field);
    const key = field.name === "type" ? "type_" : field.name;
    return {
      field: field.name,
      key,
      convert,
      lazy: field.type === "bytes" && field.label === "singular",
      changes: convert !== undefined || key !== field.name,
    };
  }

  #fieldConversion(field: FieldSchema): Conversion {
    const convert: Conversion =
      typeof field.type === "function" ? this.#messageConversion(field.type()) : scalarConversion(field.type);
    if (convert === undefined) return undefined;
    const orNull = (value: never) => (value === null ? null : convert(value));
    if (field.label === "repeated") return (items: readonly never[]) => items.map(orNull);
    if (field.label === "map") return (members: Readonly<Record<string, never>>) => mapValues(members, orNull);
    return orNull;
  }
}

/** One member of an input and where it comes from. */
interface Member {
  readonly field: string;
  readonly key: string;
  readonly convert: Conversion;
  /** Converted when a rule looks at it: a WriteStdin carries up to 4 MiB that next to no rule reads. */
  readonly lazy: boolean;
  readonly changes: boolean;
}

function convertMembers(members: readonly Member[]): (message: Readonly<Record<string, never>>) => JsonObject {
  return (message) => {
    const input: Record<string, JsonValue> = Object.create(null);
    for (const { field, key, convert, lazy } of members) {
      // The decoder sets every member that the schema names.
      const value = message[field] as never;
      if (convert === undefined) input[key] = value;
      else if (lazy) defineLazily(input, key, () => convert(value));
      else input[key] = convert(value);
    }
    return input;
  };
}

function defineLazily(target: object, key: string, make: () => JsonValue): void {
  let made: JsonValue | undefined;
  Object.defineProperty(target, key, {
    enumerable: true,
    get: () => {
      made ??= make();
      return made;
    },
  });
}

/**
 * A oneof appears under its own name, holding one member named after the field with a capital (`ErrnoRet: {"Errnoret": 1}`).
 * All oneofs of the agent's requests have a single field.
 */
function oneofMember(field: FieldSchema): Member {
  const variant = field.name.charAt(0).toUpperCase() + field.name.slice(1);
  return {
    field: field.name,
    key: field.oneof ?? field.name,
    convert: (value: JsonValue) => (value === null ? null : withoutPrototype({ [variant]: value })),
    lazy: false,
    changes: true,
  };
}

function scalarConversion(type: ScalarType): Conversion {
  switch (type) {
    case "bytes":
      return listOfIntegers;
    case "float":
    case "double":
      return (value: number) => {
        if (!Number.isFinite(value)) throw new GuestError("internal", "request has a number that JSON can't express");
        return value;
      };
    default:
      return undefined;
  }
}

/** A plain loop: `Array.from` takes six times as long over the bytes of a stream. */
function listOfIntegers(bytes: Uint8Array): readonly number[] {
  const integers = new Array<number>(bytes.length);
  for (let index = 0; index < bytes.length; index += 1) integers[index] = bytes[index] ?? 0;
  return integers;
}

function mapValues(members: Readonly<Record<string, never>>, convert: (value: never) => JsonValue): JsonObject {
  const result: Record<string, JsonValue> = Object.create(null);
  for (const [key, value] of Object.entries(members)) result[key] = convert(value);
  return result;
}

function withoutPrototype(members: JsonObject): JsonObject {
  return Object.assign(Object.create(null), members);
}
