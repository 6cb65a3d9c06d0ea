import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTomlString, parseToml } from "../../guest/core/toml.ts";

const refused: readonly (readonly [string, string, RegExp])[] = [
  ["duplicate key", "a = 1\na = 2", /line 2.*redefine/],
  ["duplicate table", "[a]\n[a]", /line 2.*redefine/],
  ["key of an inline table", "a = {b = 1}\na.c = 2", /redefine/],
  ["byte order mark", "\ufeffa = 1", /byte order mark/],
  ["bare carriage return", "a = 1\rb = 2", /line 1: carriage return/],
  ["carriage return that hides a line", "# comment\rpolicy = 'x'", /carriage return/],
  ["integer past 64 bits", "a = 18446744073709551617", /integer outside/],
  ["integer past the safe range", "a = 9007199254740993", /integer outside/],
  ["deep array", `a = ${"[".repeat(10_000)}${"]".repeat(10_000)}`, /nested too deep/],
  ["deep dotted key", `${"a.".repeat(10_000)}a = 1`, /nested too deep/],
  ["no value", "a =", /./],
  ["open string", "a = '''", /./],
  ["control character", "a = '\u0001'", /./],
];

describe("parseToml", () => {
  test.each(refused)("threat 87: refuses %s", (_name, text, problem) => {
    expect(() => parseToml(text)).toThrow(problem);
  });

  test.each([
    ["= 1", "line 1, column 1"],
    ["a = .5", "line 1, column 5"],
    ["a = 1\n= 1", "line 2, column 1"],
    ["a = 1\nb = .5", "line 2, column 5"],
    ["a = 1\r\n\r\nb = .5", "line 3, column 5"],
  ])("says where the fault is: %j", (text, place) => {
    expect(() => parseToml(text)).toThrow(`TOML ${place}: `);
  });

  test.each([
    "constructor.polluted = 1",
    "[constructor]\npolluted = 1",
    "[[constructor]]\npolluted = 1",
    "[a.constructor]\npolluted = 1",
    "a = {constructor.polluted = 1}",
    '"con\\u0073tructor".polluted = 1',
    "'__proto__'.polluted = 1",
    "hasOwnProperty.call = 1",
  ])("threat 16: %j reaches no object of the platform", (text) => {
    expect(() => parseToml(text)).toThrow(/is not allowed/);
    expect("polluted" in Object).toBe(false);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.hasOwn(Object.prototype.hasOwnProperty, "call")).toBe(false);
  });

  test("such names are no trouble in values", () => {
    expect(parseToml("a = ['constructor', \"__proto__\"]")["a"]).toEqual(["constructor", "__proto__"]);
  });

  test("reads a configuration, CRLF included", () => {
    const table = parseToml('[kbc]\r\nname = "cc_kbc"\r\nlist = [1, 2]\r\n[[item]]\r\nyes = true\r\n');
    expect(JSON.stringify(table)).toBe('{"kbc":{"name":"cc_kbc","list":[1,2]},"item":[{"yes":true}]}');
    expect(Object.getPrototypeOf(table["kbc"])).toBeNull();
    expect(Object.isFrozen(table["kbc"])).toBe(true);
  });

  test("refuses bytes that are no UTF-8 and documents over the limit", () => {
    expect(() => parseToml(Uint8Array.of(0x23, 0xff))).toThrow("not valid UTF-8");
    expect(() => parseToml("a = 1", { maxLength: 4, maxDepth: 4 })).toThrow("longer than 4");
  });
});

test("formatTomlString gives back exactly the text it was given", () => {
  const text = fc.string({
    unit: fc.constantFrom("'", "''", "\n", "\r\n", "\\", '"', '"""', "\t", "\0", "ü", "😀", "a"),
  });
  fc.assert(
    fc.property(text, (original) => {
      expect(parseToml(`x = ${formatTomlString(original)}\ny = 1`)["x"]).toBe(original);
    }),
  );
});
