import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { CopyFileRequest, CreateContainerRequest, ExecProcessRequest } from "../../../guest/rpc/messages/agent.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { maxElements } from "../../../guest/rpc/protobuf/limits.ts";
import type { MessageSchema } from "../../../guest/rpc/protobuf/schema.ts";
import { anyMessage, everyType } from "./every-type.ts";

const strict = { unknownFields: "reject" } as const;
const lenient = { unknownFields: "ignore" } as const;

/** A schema that can be nested without end, which no message of the protocols can. */
const nested: MessageSchema = {
  fullName: "test.Nested",
  fields: [{ name: "inner", number: 1, type: () => nested, label: "singular" }],
};

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
}

function refusal(schema: MessageSchema, bytes: Uint8Array): string {
  try {
    decodeMessage(schema, bytes, strict);
  } catch (error) {
    expect(error).toBeInstanceOf(GuestError);
    expect(error).toMatchObject({ code: "invalid-argument" });
    return error instanceof Error ? error.message : "";
  }
  throw new Error("it was decoded");
}

describe("threat 4: bytes that two decoders could read differently are refused", () => {
  test.each([
    ["a singular field sent twice", "0a0161 0a0162", "CopyFileRequest.path: the field was sent twice"],
    ["a zero sent twice", "1000 1000", "CopyFileRequest.file_size: the field was sent twice"],
    ["an unknown field", "0a0161 7a0161", "CopyFileRequest: field number 15 is not known"],
    ["an unknown field of a high number", "f8ffffff0f01", "field number 536870911 is not known"],
    ["a number where text belongs", "0805", "CopyFileRequest.path: wire type is 0 instead of 2"],
    ["text where a number belongs", "120161", "CopyFileRequest.file_size: wire type is 2 instead of 0"],
    ["a group", "0b0c", "wire type is 3 instead of 2"],
    ["field number 0", "0001", "invalid field number"],
    ["text that is not UTF-8", "0a02c328", "CopyFileRequest.path: text is not UTF-8"],
    ["an overlong UTF-8 encoding of /", "0a02c0af", "text is not UTF-8"],
    ["half of a surrogate pair", "0a03eda080", "text is not UTF-8"],
    ["a length beyond the end", "0a0561", "length exceeds the message"],
    ["a length of 2^32-1", "0affffffff0f", "length exceeds the message"],
    ["a length of 2^63", "0a80808080808080808001", "length exceeds the message"],
    ["a truncated varint", "10ff", "message is truncated"],
    ["a varint of eleven bytes", "10ffffffffffffffffffff01", "varint is longer than 64 bits"],
    ["a varint of more than 64 bits", "10ffffffffffffffffff02", "varint is longer than 64 bits"],
    ["a number beyond 32 bits", "188080808010", "CopyFileRequest.file_mode: number does not fit 32 bits"],
    ["a negative number in five bytes", "28ffffffff0f", "CopyFileRequest.uid: number does not fit 32 bits"],
  ])("%s", (_what, bytes, message) => {
    expect(refusal(CopyFileRequest, hex(bytes))).toContain(message);
  });

  test("both members of a oneof", () => {
    const both = Buffer.concat([
      encodeMessage(everyType, { left: 1 }),
      encodeMessage(everyType, { right: { text: "x", list: [] } }),
    ]);
    expect(refusal(everyType, both)).toContain("the field was sent twice");
  });

  test("a boolean of 2", () => {
    expect(refusal(CreateContainerRequest, hex("3802"))).toContain("boolean is neither 0 nor 1");
  });

  test("a map key sent twice, at any depth", () => {
    const annotation = hex("3a06 0a0161 120162");
    const spec = Buffer.concat([annotation, annotation]);
    const request = Buffer.concat([hex("32"), Buffer.of(spec.length), spec]);
    expect(refusal(CreateContainerRequest, request)).toContain("grpc.Spec.Annotations.value: the map has a key twice");
  });

  test("a map entry with two keys, or with a field that no entry has", () => {
    expect(refusal(everyType, Buffer.concat([encodeTag(31, 2), hex("06 0a0161 0a0162")]))).toContain("sent twice");
    expect(refusal(everyType, Buffer.concat([encodeTag(31, 2), hex("02 1801")]))).toContain(
      "field number 3 is not known",
    );
  });

  test("the message names no content", () => {
    const secret = encodeMessage(ExecProcessRequest, { container_id: "s3cret" });
    expect(refusal(ExecProcessRequest, Buffer.concat([secret, secret]))).not.toContain("s3cret");
  });
});

describe("threat 4: what is small on the wire stays small in memory", () => {
  test("messages nested deeper than 32 levels are refused", () => {
    let bytes = Buffer.alloc(0);
    for (let level = 0; level < 31; level++) bytes = Buffer.concat([hex("0a"), encodeVarint(bytes.length), bytes]);
    expect(decodeMessage(nested, bytes, strict)).toHaveProperty("inner.inner.inner");
    for (let level = 0; level < 2; level++) bytes = Buffer.concat([hex("0a"), encodeVarint(bytes.length), bytes]);
    expect(refusal(nested, bytes)).toContain("nested too deeply");
  });

  test.each([
    ["empty messages", hex("2a00")],
    ["empty strings", encodeTag(16, 2, "00")],
  ])("lists of too many %s are refused", (_what, element) => {
    const schema = element.length === 2 ? CreateContainerRequest : everyType;
    const many = Buffer.concat(Array<Buffer>(maxElements + 1).fill(element));
    expect(refusal(schema, many)).toContain(`more than ${maxElements} list elements`);
  });

  test("packed lists of too many numbers are refused", () => {
    const length = maxElements + 1;
    const packed = Buffer.concat([encodeTag(19, 2), encodeVarint(length), Buffer.alloc(length)]);
    expect(refusal(everyType, packed)).toContain("list elements");
  });
});

test("threat 5: 64-bit numbers are exact", () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (offset) => {
      expect(decodeMessage(CopyFileRequest, encodeMessage(CopyFileRequest, { offset }), strict).offset).toBe(offset);
    }),
  );
  expect(decodeMessage(CopyFileRequest, hex("3881808080808080 10"), strict).offset).toBe(2n ** 53n + 1n);
});

describe("standard rules, for answers of newer peers", () => {
  test("unknown fields of every wire type are passed over", () => {
    const bytes = hex("0a0161 7801 79 0102030405060708 7a026162 7d 01020304 1801");
    expect(decodeMessage(CopyFileRequest, bytes, lenient)).toMatchObject({ path: "a", file_mode: 1 });
  });

  test("the last value of a field counts, messages are merged, lists are joined", () => {
    const parts = [
      { one_string: "a", leaf: { text: "a", list: ["1"] }, left: 1 },
      { one_string: "b", leaf: { list: ["2"] }, right: { text: "r" } },
    ].map((message) => encodeMessage(everyType, message));
    expect(decodeMessage(everyType, Buffer.concat(parts), lenient)).toMatchObject({
      one_string: "b",
      leaf: { text: "a", list: ["1", "2"] },
      left: null,
      right: { text: "r" },
    });
  });

  test("groups and bytes that are not UTF-8 are refused all the same", () => {
    expect(() => decodeMessage(CopyFileRequest, hex("7b7c"), lenient)).toThrow("wire type 3 is not supported");
    expect(() => decodeMessage(CopyFileRequest, hex("0a02c328"), lenient)).toThrow("text is not UTF-8");
  });
});

test("numbers in lists may come packed, one by one, or both", () => {
  const expected = [1, 300, -1];
  const onePart = Buffer.concat([encodeTag(19, 0), hex("01"), encodeTag(19, 2), hex("0c ac02 ffffffffffffffffff01")]);
  expect(decodeMessage(everyType, onePart, strict)["all_int32"]).toEqual(expected);
});

test("random bytes give a message or a refusal, and a message encodes to what decodes to it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expectMessageOrRefusal(bytes)),
    { numRuns: 3000 },
  );
});

test("flipped bits in real messages give a message or a refusal", () => {
  fc.assert(
    fc.property(anyMessage(CreateContainerRequest), fc.nat(), fc.nat(255), (message, position, value) => {
      // What was decoded can be encoded.
      const bytes = encodeMessage(CreateContainerRequest, message as object);
      if (bytes.length > 0) bytes[position % bytes.length] = value;
      expectMessageOrRefusal(bytes);
    }),
    { numRuns: 300 },
  );
});

function expectMessageOrRefusal(bytes: Uint8Array): void {
  let decoded: CreateContainerRequest;
  try {
    decoded = decodeMessage(CreateContainerRequest, bytes, strict);
  } catch (error) {
    expect(error).toBeInstanceOf(GuestError);
    return;
  }
  // What was decoded can be encoded.
  const again = encodeMessage(CreateContainerRequest, decoded as object);
  expect(decodeMessage(CreateContainerRequest, again, strict)).toEqual(decoded);
}

function encodeVarint(value: number): Buffer {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

function encodeTag(number: number, wireType: number, rest = ""): Buffer {
  return Buffer.concat([encodeVarint((number << 3) | wireType), hex(rest)]);
}
