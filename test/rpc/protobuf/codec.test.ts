import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { CopyFileRequest, CreateContainerRequest, StatsContainerResponse } from "../../../guest/rpc/messages/agent.ts";
import { LinuxSyscall } from "../../../guest/rpc/messages/oci.ts";
import { Request } from "../../../guest/rpc/messages/ttrpc.ts";
import type { MessageInit } from "../../../guest/rpc/method.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { EncodeError, encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import type { MessageSchema } from "../../../guest/rpc/protobuf/schema.ts";
import { anyMessage, emptyEveryType, everyType, everyTypeProto } from "./every-type.ts";

const other = loadOtherImplementation();
const strict = { unknownFields: "reject" } as const;

const schemas: readonly MessageSchema[] = [
  everyType,
  CreateContainerRequest,
  CopyFileRequest,
  StatsContainerResponse,
  LinuxSyscall,
  Request,
];

describe.each(schemas.map((schema) => [schema.fullName, schema] as const))("%s", (name, schema) => {
  const runs = { numRuns: 60 };
  const theirs = other.lookupType(name);

  test("survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyMessage(schema), (message) => {
        expect(decodeMessage(schema, encodeMessage(schema, asInit(message)), strict)).toEqual(message);
      }),
      runs,
    );
  });

  test("is understood by protobufjs", () => {
    fc.assert(
      fc.property(anyMessage(schema), (message) => {
        const bytes = encodeMessage(schema, asInit(message));
        // What they make of it has to be what they make of their own encoding.
        const own = theirs.encode(theirs.fromObject(forProtobufjs(message))).finish();
        expect(plain(theirs.decode(bytes))).toEqual(plain(theirs.decode(own)));
      }),
      runs,
    );
  });

  test("is understood from protobufjs", () => {
    fc.assert(
      fc.property(anyMessage(schema), (message) => {
        const bytes = theirs.encode(theirs.fromObject(forProtobufjs(message))).finish();
        expect(decodeMessage(schema, bytes, strict)).toEqual(message);
      }),
      runs,
    );
  });

  function plain(message: protobuf.Message): unknown {
    return theirs.toObject(message, { longs: String, bytes: Array, enums: Number });
  }
});

describe("encoding", () => {
  test("leaves out what is zero, null or undefined", () => {
    expect(encodeMessage(everyType, emptyEveryType())).toHaveLength(0);
    expect(encodeMessage(CreateContainerRequest, { container_id: undefined, OCI: null })).toHaveLength(0);
  });

  test("sends an optional zero", () => {
    const decoded = decodeMessage(everyType, encodeMessage(everyType, { maybe: 0n, maybe_text: "" }), strict);
    expect(decoded).toMatchObject({ maybe: 0n, maybe_text: "" });
  });

  test("leaves the asked-for room in front and fills it with zeros", () => {
    const bytes = encodeMessage(everyType, { one_string: "abc" }, 10);
    expect(Buffer.from(bytes).toString("hex")).toBe("00000000000000000000" + "0a03616263");
  });

  test("moves long nested messages up behind their length", () => {
    for (const length of [0, 125, 126, 127, 128, 16_380, 16_384, 3_000_000]) {
      const text = "x".repeat(length);
      const bytes = encodeMessage(everyType, { leaf: { text, list: [] }, leaves: [{ text: "after", list: [] }] });
      expect(decodeMessage(everyType, bytes, strict)).toMatchObject({ leaf: { text }, leaves: [{ text: "after" }] });
    }
  });

  test.each([
    ["a number for a bigint", { one_int64: 5 }, "every.Type.one_int64: not a bigint"],
    ["too large a number", { one_uint32: 2 ** 32 }, "every.Type.one_uint32: not in the type's range"],
    ["a fraction", { one_int32: 1.5 }, "every.Type.one_int32: not in the type's range"],
    ["too large a bigint", { one_uint64: 2n ** 64n }, "every.Type.one_uint64: not in the type's range"],
    ["a string for bytes", { one_bytes: "abc" }, "every.Type.one_bytes: not a Uint8Array"],
    ["no list", { all_string: "abc" }, "every.Type.all_string: not a list"],
    ["a nested mistake", { leaf: { text: 1 } }, "every.Leaf.text: not a string"],
  ])("refuses %s and names the field", (_what, message, text) => {
    expect(() => encodeMessage(everyType, message)).toThrow(new EncodeError(text));
  });
});

describe("decoding", () => {
  test("gives objects that share nothing with the input", () => {
    const bytes = encodeMessage(CopyFileRequest, { path: "/a", data: Uint8Array.of(1, 2, 3) });
    const decoded = decodeMessage(CopyFileRequest, bytes, strict);
    bytes.fill(0xff);
    expect(decoded.path).toBe("/a");
    expect(decoded.data).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("__proto__ as a map key is a key like any other", () => {
    const init = { map_string: mapOf("__proto__", "polluted") };
    const decoded = decodeMessage(everyType, encodeMessage(everyType, init), strict);
    const map = decoded["map_string"];
    expect(Object.getPrototypeOf(map)).toBeNull();
    expect(Object.keys(Object(map))).toEqual(["__proto__"]);
    expect("polluted" in {}).toBe(false);
  });
});

function mapOf(key: string, value: string): Record<string, string> {
  return Object.assign(Object.create(null), { [key]: value });
}

function asInit<T>(message: T): MessageInit<T> {
  // A decoded message is one that could be encoded.
  return message as MessageInit<T>;
}

/** protobufjs takes 64-bit numbers as strings and does not know null in lists and maps of ours. */
function forProtobufjs(value: unknown): Record<string, unknown> {
  // A message is an object, and so is what it is turned into.
  return convert(value) as Record<string, unknown>;

  function convert(member: unknown): unknown {
    if (typeof member === "bigint") return member.toString();
    if (member instanceof Uint8Array || typeof member !== "object" || member === null) return member;
    if (Array.isArray(member)) return member.map(convert);
    const converted: Record<string, unknown> = Object.create(null);
    for (const [key, inner] of Object.entries(member)) if (inner !== null) converted[key] = convert(inner);
    return converted;
  }
}

function loadOtherImplementation(): protobuf.Root {
  const root = new protobuf.Root();
  for (const name of ["google/protobuf/any.proto", "google/protobuf/empty.proto"]) {
    root.addJSON(protobuf.common.get(name)?.nested ?? {});
  }
  const folder = fileURLToPath(new URL("../../../proto/", import.meta.url));
  const texts = readdirSync(folder).map((name) => readFileSync(folder + name, "utf8"));
  for (const text of [...texts, everyTypeProto]) protobuf.parse(text, root, { keepCase: true });
  root.resolveAll();
  return root;
}
