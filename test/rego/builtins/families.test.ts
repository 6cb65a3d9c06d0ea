import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toJsonText } from "../../../guest/rego/json.ts";
import { equal, type Value } from "../../../guest/rego/value.ts";
import { call, object, set, value } from "./call.ts";

describe("strings are code points", () => {
  test.each<[string, Value, ...Value[]]>([
    ["count", 1, "😀"],
    ["substring", "😀b", "a😀b", 1, -1],
    ["substring", "😀", "a😀b", 1, 1],
    ["substring", "", "abc", 5, 2],
    ["indexof", 2, "a😀b", "b"],
    ["strings.reverse", "b😀a", "a😀b"],
    ["strings.count", 3, "a😀", ""],
    ["trim_left", "b", "😀😀b", "😀"],
    ["lower", "i̇ß", "i̇ß"],
    ["lower", "id", "İD"],
    ["upper", "ß", "ß"],
    ["trim_space", "\ufeffa", " \u0085\ufeffa\u3000"],
    ["replace", "-a-😀-", "a😀", "", "-"],
    ["trim_suffix", "a", "a", ""],
    ["format_int", "-ff", -255, 16],
    ["format_int", "3", 3.9, 10],
  ])("%s gives %s", (name, expected, ...operands) => {
    expect(call(name, ...operands)).toEqual(expected);
  });

  test("split and join again is the same text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ minLength: 1, maxLength: 2 }), (text, delimiter) => {
        expect(call("concat", delimiter, call("split", text, delimiter) ?? null)).toBe(text);
      }),
    );
    expect(call("split", "a😀", "")).toEqual(["a", "😀"]);
    expect(call("split", "", ",")).toEqual([""]);
  });
});

/** What Go 1.26 prints. */
test.each<[string, Value[], string]>([
  ["%v %s %d", ["a", "b", 3], "a b 3"],
  ["%5d|%-5d|%05d|%+d|% d", [42, 42, -42, 42, 42], "   42|42   |-0042|+42| 42"],
  ["%x %X %#x %o %b %O", [255, 255, 255, 8, 5, 8], "ff FF 0xff 10 101 0o10"],
  ["%f %.2f %e %g", [3.14, 2.345, 1234.5, 0.00001], "3.140000 2.35 1.234500e+03 1e-05"],
  ["%v %v", [100.1, 123456789.5], "100.1 1.234567895e+08"],
  ["%s %d", [1, "a"], "%!s(int=1) %!d(string=a)"],
  ["%d", [], "%!d(MISSING)"],
  ["%d", [1, 2], "1%!(EXTRA int=2)"],
  ["%[2]d %[1]d", [1, 2], "2 1"],
  ["%", [], "%!(NOVERB)"],
  ["100%%", [], "100%"],
  ["%q %x", ['a"\n', "é"], '"a\\"\\n" c3a9'],
  ["%*d|%.*f", [4, 1, 1, 2.55], "   1|2.5"],
  ["%d %s", [12345678901234567890n, 12345678901234567890n], "12345678901234567890 12345678901234567890"],
  ["%.3s|%5s|%-5s|", ["a😀bc", "é", "é"], "a😀b|    é|é    |"],
])("sprintf %s", (format, values, expected) => {
  const isHalf = format.includes("%.2f");
  expect(call("sprintf", format, values)).toBe(isHalf ? expected.replace("2.35", (2.345).toFixed(2)) : expected);
});

test("sprintf shows other values in Rego's notation", () => {
  expect(call("sprintf", "%v %v", [set(1, "a"), value({ k: [null, true] })])).toBe('{1, "a"} {"k": [null, true]}');
});

describe("bits.* is two's complement of any size", () => {
  const wide = fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n });
  const bits = (name: string, ...operands: bigint[]) =>
    BigInt(String(call(`bits.${name}`, ...operands.map((operand) => value(operand)))));

  test("its laws", () => {
    fc.assert(
      fc.property(wide, wide, fc.bigInt({ min: 0n, max: 200n }), (a, b, distance) => {
        expect(bits("negate", a)).toBe(-a - 1n);
        expect(bits("negate", bits("and", a, b))).toBe(bits("or", bits("negate", a), bits("negate", b)));
        expect(bits("xor", a, b)).toBe(bits("or", a, b) - bits("and", a, b));
        expect(bits("rsh", bits("lsh", a, distance), distance)).toBe(a);
      }),
    );
  });

  test("a negative distance is an error", () => {
    expect(() => call("bits.lsh", 1, -1)).toThrow("unsigned");
  });
});

describe("encodings", () => {
  test.each(["base64", "base64url", "hex", "urlquery"])("%s: decode undoes encode", (name) => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(call(`${name}.decode`, call(`${name}.encode`, text) ?? null)).toBe(text);
      }),
    );
  });

  test("json.marshal_with_options names an option that it doesn't know, whatever kind of value its key is", () => {
    for (const [key, name] of [
      ["color", '"color"'],
      [value(0), "0"],
      [value([9007199254740993n]), "[9007199254740993]"],
    ] as const)
      expect(() => call("json.marshal_with_options", null, object([key, true]))).toThrow(`unknown key ${name}`);
  });

  test("json.unmarshal undoes json.marshal, numbers exact", () => {
    const document = value({ a: [1, 9007199254740993n, "<&>\u2028", null], "": {} });
    const text = call("json.marshal", document) ?? null;
    expect(text).toContain("\\u003c\\u0026\\u003e\\u2028");
    expect(equal(call("json.unmarshal", text) ?? null, document)).toBe(true);
  });

  test("malformed text is an error", () => {
    expect(() => call("base64.decode", "a")).toThrow("base64.decode");
    expect(() => call("hex.decode", "0g")).toThrow("hex.decode");
    expect(() => call("urlquery.decode", "%2")).toThrow("urlquery.decode");
    expect(call("base64.is_valid", "YQ==")).toBe(true);
    expect(call("base64.is_valid", "YQ=")).toBe(false);
    expect(call("json.is_valid", "{")).toBe(false);
    expect(call("yaml.is_valid", "a: b: c")).toBe(false);
  });

  test("YAML: scalars, merge by anchors, exact integers", () => {
    const document = call("yaml.unmarshal", "a: &x {b: 18446744073709551615}\nc: *x\n1: yes\n");
    expect(toJsonText(document ?? null)).toBe(
      '{"1":"yes","a":{"b":18446744073709551615},"c":{"b":18446744073709551615}}',
    );
  });
});

describe("times", () => {
  test("to the nanosecond and back", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), (ns) => {
        const text = call("time.format", value(ns)) ?? null;
        expect(BigInt(String(call("time.parse_rfc3339_ns", text)))).toBe(ns);
      }),
    );
  });

  test.each<[string, Value, ...Value[]]>([
    ["time.parse_duration_ns", 5_430_000_000_000, "1h30m30s"],
    ["time.parse_duration_ns", -1_500_000, "-1.5ms"],
    ["time.weekday", "Thursday", 0],
    ["time.clock", [19, 0, 0], [0, "America/New_York"]],
    ["time.format", "1969-12-31T19:00:00-05:00", [0, "America/New_York"]],
    ["time.format", "Thu, 01 Jan 1970 00:00:00 UTC", [0, "UTC", "RFC1123"]],
    ["time.parse_ns", 0, "Jan _2 2006 3:04PM -0700", "Jan  1 1970 1:00AM +0100"],
    ["time.add_date", 951_782_400_000_000_000n, value(949_276_800_000_000_000n), 0, 1, -2],
    ["time.diff", [1, 0, 1, 0, 0, 0], value(31_622_400_000_000_000n), 0],
  ])("%s gives %s", (name, expected, ...operands) => {
    expect(call(name, ...operands)).toEqual(expected);
  });

  test("out of range, unknown zones and impossible dates are errors", () => {
    expect(() => call("time.format", [0, "Mars/Olympus"])).toThrow("unknown time zone");
    expect(() => call("time.parse_rfc3339_ns", "2021-02-29T00:00:00Z")).toThrow("can't parse");
    expect(() => call("time.parse_rfc3339_ns", "2500-01-01T00:00:00Z")).toThrow("outside of valid range");
    expect(() => call("time.date", value(2n ** 70n))).toThrow("too big");
  });
});

test("graphs, networks, versions, globs", () => {
  const graph = value({ a: ["b"], b: ["c", "a"], c: [] });
  expect(equal(call("graph.reachable", graph, ["a"]) ?? null, set("a", "b", "c"))).toBe(true);
  expect(equal(call("graph.reachable_paths", graph, ["a"]) ?? null, set(["a", "b"], ["a", "b", "c"]))).toBe(true);
  expect(call("net.cidr_contains", "10.0.0.0/8", "10.1.2.3")).toBe(true);
  expect(call("net.cidr_contains", "2001:db8::/32", "10.1.2.3")).toBe(false);
  expect(call("net.cidr_contains", "::ffff:10.0.0.0/104", "10.1.2.3")).toBe(true);
  expect(call("net.cidr_is_valid", "::ffff:10.0.0.0/33")).toBe(false);
  expect(equal(call("net.cidr_merge", ["10.0.0.0/25", "10.0.0.128/25"]) ?? null, set("10.0.0.0/24"))).toBe(true);
  expect(call("semver.compare", "1.0.0-rc.2", "1.0.0-rc.10")).toBe(-1);
  expect(call("glob.match", "*.example.com", [], "a.example.com")).toBe(true);
  expect(call("glob.match", "*.example.com", [], "a.b.example.com")).toBe(false);
  expect(call("glob.match", "{a,b[0-9]}/**", ["/"], "b1/x/y")).toBe(true);
  expect(call("glob.match", "[a\\]]", [], "]")).toBe(true);
  expect(call("glob.match", "[-a]", [], "-")).toBe(true);
  expect(call("glob.match", "[!!]", [], "!")).toBe(false);
  expect(call("glob.match", "{a,b", [], "b")).toBe(true);
  for (const malformed of ["a\\", "[a-z0-9]", "[a-]", "[]", "[!]", "[a", "[z-a]"]) {
    expect(() => call("glob.match", malformed, [], "a")).toThrow("glob.match");
  }
  expect(call("regex.globs_match", "a.a.[0-9]+z", ".b.b2359825792*594823z")).toBe(true);
});

test("http.send is refused with a reason", () => {
  expect(() => call("http.send", value({ method: "get", url: "http://127.0.0.1/" }))).toThrow("no network here");
});
