import fc from "fast-check";
import { expect, test } from "vitest";
import { compilePolicy, type JsonInput } from "../../../guest/rego/index.ts";

const filler = `"filler": "${"x".repeat(300)}"`;

/** The value that the engine gives to the text, as JSON. */
function evaluated(text: string): unknown {
  const policy = compilePolicy([{ name: "p", text: `package p\nx := ${text}\ny := json.marshal(x)\n` }]);
  const result = policy.evaluate({ path: "data.p.y" });
  return result.kind === "value" ? result.value : undefined;
}

const json = fc.dictionary(
  fc.oneof(fc.constantFrom("__proto__", "constructor", "1", ""), fc.string({ unit: "grapheme" })),
  fc.letrec<{ value: JsonInput }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", maxDepth: 3 },
      fc.constantFrom<JsonInput>(null, true, false, 0, -1, 0.1, 1.5e300, 9007199254740991, "a\u007fb", "line\nbreak"),
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.integer(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string({ maxLength: 3 }), tie("value"), { maxKeys: 3 }),
    ),
  })).value,
  { maxKeys: 5 },
);

test("an object reads the same as JSON and as Rego", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(0, 2), (data, indent) => {
      const text = JSON.stringify({ ...data, filler: "x".repeat(300) }, null, indent).replaceAll("\u007f", "\\u007f");
      // A trailing comma keeps JSON's parser away.
      expect(evaluated(text)).toBe(evaluated(`${text.slice(0, -1).trimEnd()},}`));
    }),
    { numRuns: 200 },
  );
});

test.each([
  ["numbers beyond 2^53", `{${filler}, "n": 12345678901234567890123}`, "12345678901234567890123"],
  ["decimals", `{${filler}, "n": 0.1234567890123456789}`, "0.1234567890123456789"],
  ["the last of two members with one key", `{${filler}, "n": 1, "n": 2}`, '"n":2'],
  ["what follows the object", `{${filler}, "n": [7, 8]}["n"][1]`, "8"],
  ["operators after it", `{${filler}, "n": 5}.n + 1`, "6"],
  ["variables in it", `{${filler}, "n": z}\nz := 4`, '"n":4'],
])("%s count", (_, text, part) => {
  expect(evaluated(text)).toContain(part);
});

test("a fault in a large object is told at its own place", () => {
  const load = () => evaluated(`{\n${filler},\n"n": [1, 2\n}`);
  expect(load).toThrow(/p:5/);
});

test("threat 14: JSON that nests too deep is refused as other terms are", () => {
  const nested = (levels: number) => `{${filler}, "n": ${"[".repeat(levels)}${"]".repeat(levels)}}`;
  expect(evaluated(nested(14))).toContain("[[[[");
  expect(() => evaluated(nested(100))).toThrow(/nested more than/);
  expect(() => evaluated(nested(100_000))).toThrow(/nested more than/);
});
