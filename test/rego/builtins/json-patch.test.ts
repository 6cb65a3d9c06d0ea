import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyPatch, JsonPatchError } from "../../../guest/rego/builtins/json-patch.ts";
import { toJsonText } from "../../../guest/rego/json.ts";
import { equal, type JsonInput } from "../../../guest/rego/value.ts";
import { set, value } from "./call.ts";

function patched(document: JsonInput, ...operations: JsonInput[]): unknown {
  return JSON.parse(toJsonText(applyPatch(value(document), operations.map(value))));
}

/** The examples of RFC 6902, appendix A. */
test.each<[string, JsonInput, JsonInput[], JsonInput]>([
  ["A.1", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
  ["A.2", { foo: ["bar", "baz"] }, [{ op: "add", path: "/foo/1", value: "qux" }], { foo: ["bar", "qux", "baz"] }],
  ["A.3", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  ["A.4", { foo: ["bar", "qux", "baz"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["bar", "baz"] }],
  ["A.5", { baz: "qux", foo: "bar" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo", foo: "bar" }],
  [
    "A.6",
    { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
    [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
    { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
  ],
  [
    "A.7",
    { foo: ["all", "grass", "cows", "eat"] },
    [{ op: "move", from: "/foo/1", path: "/foo/3" }],
    { foo: ["all", "cows", "eat", "grass"] },
  ],
  [
    "A.10",
    { foo: "bar" },
    [{ op: "add", path: "/child", value: { grandchild: {} } }],
    { foo: "bar", child: { grandchild: {} } },
  ],
  ["A.14", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
  ["A.16", { foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["abc", "def"] }], { foo: ["bar", ["abc", "def"]] }],
])("RFC 6902 %s", (_name, document, operations, expected) => {
  expect(patched(document, ...operations)).toEqual(expected);
});

describe("what can't be applied is an error", () => {
  test.each<[JsonInput, JsonInput]>([
    [{ baz: "qux" }, { op: "test", path: "/baz", value: "bar" }],
    [{ foo: "bar" }, { op: "add", path: "/baz/bat", value: "qux" }],
    [{ foo: [1] }, { op: "add", path: "/foo/2", value: 1 }],
    [{ foo: [1] }, { op: "remove", path: "/foo/-" }],
    [{ foo: [1] }, { op: "replace", path: "/foo/01", value: 1 }],
    [{ foo: [1] }, { op: "remove", path: "/foo/1e0" }],
    [{}, { op: "remove", path: "/a" }],
    [{}, { op: "replace", path: "/a", value: 1 }],
    [{}, { op: "copy", from: "/a", path: "/b" }],
    [{}, { op: "add", path: "/a" }],
    [{}, { op: "frobnicate", path: "/a" }],
    [{}, { op: "remove", path: "" }],
    [{}, { path: "/a", value: 1 }],
    [{}, { op: "add", path: 1, value: 1 }],
    [{}, "add"],
  ])("%j by %j", (document, operation) => {
    expect(() => patched(document, operation)).toThrow(JsonPatchError);
  });
});

test("a patch that fails half way leaves the document as it was", () => {
  const document = value({ pstate: { a: [1] } });
  const operations = [
    { op: "add", path: "/pstate/a/0", value: 0 },
    { op: "remove", path: "/pstate/b" },
  ].map(value);
  expect(() => applyPatch(document, operations)).toThrow(JsonPatchError);
  expect(equal(document, value({ pstate: { a: [1] } }))).toBe(true);
});

test("threat 16: keys that are special to JavaScript are keys like others", () => {
  for (const key of ["__proto__", "constructor", "toString", "length", "hasOwnProperty"]) {
    const result = applyPatch(value({ pstate: {} }), [
      value({ op: "add", path: ["pstate", key], value: { polluted: true } }),
    ]);
    expect(equal(applyPatch(result, [value({ op: "remove", path: `/pstate/${key}` })]), value({ pstate: {} }))).toBe(
      true,
    );
    expect(() => applyPatch(value({ pstate: {} }), [value({ op: "remove", path: `/pstate/${key}` })])).toThrow(
      JsonPatchError,
    );
    expect(() =>
      applyPatch(value({ pstate: [] }), [value({ op: "test", path: `/pstate/${key}`, value: 0 })]),
    ).toThrow();
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  }
});

test("members of sets are named by their value", () => {
  const document = value({ s: 1 });
  const withSet = applyPatch(document, [value({ op: "replace", path: "/s", value: [] })]);
  expect(equal(withSet, value({ s: [] }))).toBe(true);
  expect(equal(applyPatch(set("a"), [value({ op: "add", path: ["b"], value: "b" })]), set("a", "b"))).toBe(true);
  expect(() => applyPatch(set("a"), [value({ op: "add", path: ["b"], value: "c" })])).toThrow(JsonPatchError);
  expect(equal(applyPatch(set("a"), [value({ op: "remove", path: ["a"] })]), set())).toBe(true);
});

test("add and then remove gives the document back", () => {
  const key = fc.constantFrom("a", "b/c", "~", "", "__proto__", "0");
  fc.assert(
    fc.property(fc.dictionary(key, fc.integer()), key, fc.integer(), (members, added, number) => {
      fc.pre(!Object.hasOwn(members, added));
      const document = value(members);
      const result = applyPatch(document, [
        value({ op: "add", path: [added], value: number }),
        value({ op: "remove", path: [added] }),
      ]);
      expect(equal(result, document)).toBe(true);
    }),
  );
});
