import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatJson, type JsonValue, parseJson } from "../../guest/core/json.ts";
import { applyJsonPatch } from "../../guest/policy/json-patch.ts";

function patched(document: string, operations: string): string {
  return formatJson(applyJsonPatch(parseJson(document), parseJson(operations) as readonly JsonValue[]));
}

/** RFC 6902 appendix A, and places where readers differ. */
const results: readonly (readonly [string, string, string, string])[] = [
  ["A.1 add a member", '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
  [
    "A.2 add an element",
    '{"foo":["bar","baz"]}',
    '[{"op":"add","path":"/foo/1","value":"qux"}]',
    '{"foo":["bar","qux","baz"]}',
  ],
  ["A.3 remove a member", '{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
  [
    "A.4 remove an element",
    '{"foo":["bar","qux","baz"]}',
    '[{"op":"remove","path":"/foo/1"}]',
    '{"foo":["bar","baz"]}',
  ],
  ["A.5 replace", '{"baz":"qux"}', '[{"op":"replace","path":"/baz","value":"boo"}]', '{"baz":"boo"}'],
  ["A.6 move a member", '{"a":{"x":1},"b":{}}', '[{"op":"move","from":"/a/x","path":"/b/y"}]', '{"a":{},"b":{"y":1}}'],
  [
    "A.7 move an element",
    '{"foo":["a","b","c","d"]}',
    '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
    '{"foo":["a","c","d","b"]}',
  ],
  [
    "A.8 test",
    '{"baz":"qux","foo":["a",2,"c"]}',
    '[{"op":"test","path":"/foo/1","value":2}]',
    '{"baz":"qux","foo":["a",2,"c"]}',
  ],
  [
    "A.10 add a nested object",
    '{"foo":"bar"}',
    '[{"op":"add","path":"/child","value":{"g":{}}}]',
    '{"foo":"bar","child":{"g":{}}}',
  ],
  ["A.11 unknown members", '{"a":1}', '[{"op":"add","path":"/b","value":2,"xyz":3}]', '{"a":1,"b":2}'],
  ["A.14 escapes", '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'],
  [
    "A.16 add an array to an array",
    '{"foo":["bar"]}',
    '[{"op":"add","path":"/foo/-","value":["x"]}]',
    '{"foo":["bar",["x"]]}',
  ],
  ["add replaces a member", '{"a":1}', '[{"op":"add","path":"/a","value":null}]', '{"a":null}'],
  ["copy", '{"a":{"x":1}}', '[{"op":"copy","from":"/a","path":"/b"}]', '{"a":{"x":1},"b":{"x":1}}'],
  ["the empty key", '{"":1}', '[{"op":"replace","path":"/","value":2}]', '{"":2}'],
  ["the whole document", '{"a":1}', '[{"op":"replace","path":"","value":{"b":2}}]', '{"b":2}'],
  ["a null member", '{"a":null}', '[{"op":"test","path":"/a","value":null},{"op":"remove","path":"/a"}]', "{}"],
  ["exact numbers", "{}", '[{"op":"add","path":"/n","value":18446744073709551615}]', '{"n":18446744073709551615}'],
];

const failures: readonly (readonly [string, string, string])[] = [
  ["A.9 test that fails", '{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]'],
  ["A.12 parent missing", '{"foo":"bar"}', '[{"op":"add","path":"/baz/bat","value":"qux"}]'],
  ["A.15 text is no number", '{"~1":10}', '[{"op":"test","path":"/~01","value":"10"}]'],
  ["remove of a missing member", "{}", '[{"op":"remove","path":"/a"}]'],
  ["replace of a missing member", "{}", '[{"op":"replace","path":"/a","value":1}]'],
  ["remove of an inherited name", "{}", '[{"op":"remove","path":"/toString"}]'],
  ["index past the end", '{"a":[1]}', '[{"op":"add","path":"/a/2","value":1}]'],
  ["index with leading zero", '{"a":[1,2]}', '[{"op":"remove","path":"/a/01"}]'],
  ["negative index", '{"a":[1]}', '[{"op":"remove","path":"/a/-1"}]'],
  ["remove behind the end", '{"a":[1]}', '[{"op":"remove","path":"/a/-"}]'],
  ["step into text", '{"a":"x"}', '[{"op":"add","path":"/a/0","value":1}]'],
  ["move into itself", '{"a":{"b":{}}}', '[{"op":"move","from":"/a","path":"/a/b/c"}]'],
  ["pointer without slash", "{}", '[{"op":"add","path":"a","value":1}]'],
  ["bad escape", "{}", '[{"op":"add","path":"/a~2","value":1}]'],
  ["escape at the end", "{}", '[{"op":"add","path":"/a~","value":1}]'],
  ["no value", "{}", '[{"op":"add","path":"/a"}]'],
  ["no op", "{}", '[{"path":"/a","value":1}]'],
  ["no path", "{}", '[{"op":"add","value":1}]'],
  ["remove the document", "{}", '[{"op":"remove","path":""}]'],
  ["no object", "{}", "[1]"],
];

describe("applyJsonPatch", () => {
  test.each(results)("%s", (_name, document, operations, expected) => {
    expect(patched(document, operations)).toBe(expected);
  });

  test.each(failures)("refuses: %s", (_name, document, operations) => {
    expect(() => patched(document, operations)).toThrow(expect.objectContaining({ name: "JsonPatchError" }));
  });

  test("refuses long patches and long pointers", () => {
    const operation = { op: "add", path: "/a", value: 1 };
    expect(() => applyJsonPatch({}, new Array(257).fill(operation))).toThrow("too long");
    expect(() => applyJsonPatch({}, [{ op: "add", path: `/${"a".repeat(5000)}`, value: 1 }])).toThrow("too long");
  });

  test("threat 16: special keys are data, and nothing of the platform changes", () => {
    const operations = `[{"op":"add","path":"/__proto__","value":{"polluted":1}},{"op":"add","path":"/constructor","value":{}},
      {"op":"add","path":"/constructor/prototype","value":{"polluted":1}}]`;
    expect(patched('{"pstate":{}}', operations)).toBe(
      '{"pstate":{},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(patched('{"__proto__":{"a":1}}', '[{"op":"remove","path":"/__proto__/a"}]')).toBe('{"__proto__":{}}');
  });

  test("threat 19: any key, escaped as RFC 6901 says, is added and removed whole", () => {
    const key = fc.string({ unit: fc.constantFrom("~", "/", "~1", "~0", "a", "__proto__", "0", "-") });
    fc.assert(
      fc.property(key, fc.jsonValue({ maxDepth: 2 }), (name, plain) => {
        const path = `/pstate/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        const before = parseJson('{"pstate":{}}');
        const after = applyJsonPatch(before, [{ op: "add", path, value: plain as JsonValue }]);
        const { pstate } = after as { readonly pstate: object };
        expect(Object.keys(pstate)).toEqual([name]);
        expect(formatJson(applyJsonPatch(after, [{ op: "remove", path }]))).toBe('{"pstate":{}}');
        expect(formatJson(before)).toBe('{"pstate":{}}');
      }),
    );
  });
});
