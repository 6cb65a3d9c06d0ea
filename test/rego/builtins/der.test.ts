import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DerError, readDer, readDerAll, readDerName } from "../../../guest/rego/builtins/der.ts";
import { call } from "./call.ts";

const bytes = (...values: number[]) => Buffer.from(values);

test("lengths of one byte and of several", () => {
  expect(readDer(bytes(0x04, 2, 7, 8, 9))).toEqual({ tag: 4, content: bytes(7, 8), end: 4 });
  expect(readDer(bytes(0x04, 0x82, 0, 1, 7))).toEqual({ tag: 4, content: bytes(7), end: 5 });
  expect(readDerAll(bytes(5, 0, 5, 0))).toHaveLength(2);
});

test("a name's attributes in order, BMPString included", () => {
  const attribute = bytes(0x31, 11, 0x30, 9, 0x06, 3, 0x55, 4, 3, 0x1e, 2, 0, 0x61);
  expect(readDerName(readDer(Buffer.concat([bytes(0x30, attribute.length), attribute])))).toEqual([["550403", "a"]]);
});

describe("malformed input", () => {
  test.each([[], [4], [4, 2, 1], [4, 0x80, 0, 0], [4, 0x85, 1, 1, 1, 1, 1], [4, 0x84, 255, 255, 255, 255]])(
    "%j",
    (...input) => {
      expect(() => readDer(bytes(...input))).toThrow(DerError);
    },
  );

  test("any bytes are elements or an error, and certificates of any text an answer or a built-in error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
        const text = Buffer.from(input).toString("base64");
        for (const name of ["crypto.x509.parse_certificates", "crypto.x509.parse_certificate_request"]) {
          expect(() => call(name, text)).toThrow(expect.objectContaining({ name: "BuiltinError" }));
        }
      }),
      { numRuns: 200 },
    );
  });
});
