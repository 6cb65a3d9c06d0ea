import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatJson, parseJson } from "../../../guest/core/json.ts";
import { CopyFileRequest, CreateContainerRequest, StatsContainerResponse } from "../../../guest/rpc/messages/agent.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { fromJsonValue, toJsonValue } from "../../../guest/rpc/protobuf/json.ts";
import type { MessageSchema } from "../../../guest/rpc/protobuf/schema.ts";
import { anyMessage } from "./every-type.ts";

const strict = { unknownFields: "reject" } as const;

function throughJson<T>(schema: MessageSchema<T>, message: T): T {
  const json = parseJson(formatJson(toJsonValue(schema, message)));
  return decodeMessage(schema, encodeMessage(schema, fromJsonValue(schema, json)), strict);
}

test.each([CreateContainerRequest, CopyFileRequest, StatsContainerResponse] as MessageSchema[])(
  "$fullName survives the way through JSON text",
  (schema) => {
    fc.assert(
      fc.property(anyMessage(schema), (message) => {
        expect(throughJson(schema, message)).toEqual(message);
      }),
      { numRuns: 50 },
    );
  },
);

test("members have the proto's names, bytes are base64, 64-bit numbers are exact", () => {
  const bytes = encodeMessage(CopyFileRequest, { path: "/a", data: Uint8Array.of(0, 255), offset: 2n ** 53n + 1n });
  const json = toJsonValue(CopyFileRequest, decodeMessage(CopyFileRequest, bytes, strict));
  expect(formatJson(json)).toBe(
    '{"path":"/a","file_size":0,"file_mode":0,"dir_mode":0,"uid":0,"gid":0,"offset":9007199254740993,"data":"AP8="}',
  );
});

describe("input", () => {
  test("may give bytes as a list and 64-bit numbers as text", () => {
    const init = fromJsonValue(CopyFileRequest, { data: [1, 2], offset: "9007199254740993", file_size: 7 });
    expect(init).toEqual({ data: Uint8Array.of(1, 2), offset: 9_007_199_254_740_993n, file_size: 7n });
  });

  test.each([
    ["an unknown member", { pth: "/a" }, "grpc.CopyFileRequest: there is no field pth"],
    ["a number that lost precision", { offset: 2 ** 53 }, "grpc.CopyFileRequest.offset: not an integer"],
    ["a wrong type", { path: 1 }, "grpc.CopyFileRequest.path: not a string"],
    ["broken base64", { data: "a" }, "grpc.CopyFileRequest.data: neither base64 nor a list of bytes"],
    ["a list of more than bytes", { data: [256] }, "grpc.CopyFileRequest.data: not a list of bytes"],
    ["no object", [], "grpc.CopyFileRequest: not an object"],
  ])("names what is wrong with %s", (_what, json, message) => {
    expect(() => fromJsonValue(CopyFileRequest, json)).toThrow(message);
  });

  test("names the place within lists and messages", () => {
    const json = { OCI: { Mounts: [{}, { options: [1] }] } };
    const place = "grpc.CreateContainerRequest.OCI.Mounts[1].options[0]: not a string";
    expect(() => fromJsonValue(CreateContainerRequest, json)).toThrow(place);
  });
});
