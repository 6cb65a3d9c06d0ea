import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatJson, parseJson } from "../../guest/core/json.ts";

const refused: readonly (readonly [string, string, RegExp])[] = [
  ["duplicate key", '{"a":1,"a":2}', /line 1, column 11: duplicate key "a"/],
  ["duplicate __proto__", '{"__proto__":1,"__proto__":2}', /duplicate key/],
  ["duplicate key in another spelling", '{"a":1,"\\u0061":2}', /duplicate key/],
  ["trailing comma", "[1,]", /expected a value/],
  ["leading zero", "01", /unexpected text/],
  ["lone surrogate", '"\\ud800"', /lone surrogate/],
  ["overflow", "1e999", /too large/],
  ["endless integer", "1".repeat(5000), /digits/],
  ["bad escape", '"\\x"', /bad escape/],
  ["raw newline in a string", '"a\nb"', /control character/],
  ["cut string", '"abc', /unterminated/],
  ["cut escape", '"abc\\', /unterminated/],
  ["NaN", "NaN", /expected a value/],
  ["second value", "1 2", /after the value/],
  ["nothing", "", /expected a value/],
  ["byte order mark", "\ufeff{}", /expected a value/],
  ["deep", "[".repeat(100_000), /nested more than 64/],
  ["second line", '{\n  "a": x}', /line 2, column 8/],
];

describe("parseJson", () => {
  test.each(refused)("refuses: %s", (_name, text, problem) => {
    expect(() => parseJson(text)).toThrow(problem);
  });

  test("keeps 64-bit integers exact", () => {
    expect(parseJson("[18446744073709551615,-9223372036854775808,9007199254740992,9007199254740991,-0]")).toEqual([
      18446744073709551615n,
      -9223372036854775808n,
      9007199254740992n,
      9007199254740991,
      0,
    ]);
  });

  test("threat 16: __proto__ and constructor are keys like any other", () => {
    const object = parseJson('{"__proto__":{"admin":true},"constructor":1}');
    expect(Object.getPrototypeOf(object)).toBeNull();
    expect(Object.keys(object as object)).toEqual(["__proto__", "constructor"]);
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("gives frozen data", () => {
    const object = parseJson('{"a":[{}]}') as { readonly a: readonly object[] };
    expect([object, object.a, object.a[0]].every(Object.isFrozen)).toBe(true);
  });

  test("refuses bytes that are no UTF-8 and text over the limit", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow("not valid UTF-8");
    expect(() => parseJson("[1,2,3]", { maxLength: 6, maxDepth: 4 })).toThrow("longer than 6");
  });

  test("reads what the platform's own parser reads, and writes it back", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (!text.isWellFormed() || /\\ud[89a-f]/.test(text)) return;
        // Keys may be __proto__, which toEqual doesn't compare: compare the texts.
        const plain = JSON.stringify(JSON.parse(text), replaceLarge);
        expect(JSON.stringify(parseJson(text), replaceLarge)).toBe(plain);
        expect(formatJson(parseJson(text), indent)).toBe(formatJson(parseJson(formatJson(parseJson(text))), indent));
      }),
      { numRuns: 300 },
    );
  });
});

/** Integers past the safe range are bigints here and rounded there. */
function replaceLarge(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return "large";
  return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? "large" : value;
}
