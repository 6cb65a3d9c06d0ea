import { describe, expect, test } from "vitest";
import {
  compilePolicy,
  type JsonInput,
  parseJson,
  RegoEvaluationError,
  toJsonText,
} from "../../../guest/rego/index.ts";

function answer(rules: string, input?: JsonInput, data?: JsonInput): string {
  const policy = compilePolicy([{ name: "t", text: `package t\nimport rego.v1\n${rules}\n` }]);
  const result = policy.evaluate({
    path: "data.t.p",
    ...(input === undefined ? {} : { input }),
    ...(data === undefined ? {} : { data }),
  });
  return result.kind === "undefined" ? "undefined" : toJsonText(result.value);
}

describe("threat 14: the meaning of the language is OPA's", () => {
  test.each<[string, string, JsonInput | undefined, string]>([
    ["null holds", "p if input.x", { x: null }, "true"],
    ["every over an empty array holds", "p if every x in input.xs { x == 1 }", { xs: [] }, "true"],
    ["every over null is undefined", "p if every x in input.xs { x == 1 }", { xs: null }, "undefined"],
    ["not of a failed built-in holds", 'p if not to_number("x")', {}, "true"],
    ["text and number differ", 'p if input.x == "1"', { x: 1 }, "undefined"],
    ["numbers compare by value", "p if input.x == 1.0", { x: 1 }, "true"],
    ["sets are equal in any order", "p if {1, 2} == {x | some x in input.xs}", { xs: [2, 1, 2] }, "true"],
    ["arrays are not", "p if [1, 2] == input.xs", { xs: [2, 1] }, "undefined"],
    ["true is not one", "p if true == input.x", { x: 1 }, "undefined"],
    ["types have an order", "p := sort([{1}, {}, [], `a`, 1, true, null])", {}, '[null,true,1,"a",[],{},[1]]'],
    ["literals are ordered by need", "p := y if { y := x + 1; x = input.x }", { x: 1 }, "2"],
    ["unification works both ways", "p := [x, y] if [x, 2] = [1, y]", {}, "[1,2]"],
    ["a reference in the head binds for the body", "p := input.xs[i] if i > 0", { xs: [1, 2] }, "2"],
    ["also in an else", "p := 0 if false else := input.xs[i] if i > 0", { xs: [1, false] }, "false"],
    ["and in the head of a comprehension", "p := [input.xs[i] | i > 0]", { xs: [1, 2, 3] }, "[2,3]"],
    ["and of an object comprehension", "p := {input.xs[i]: i | i > 0}", { xs: [1, 2] }, '{"2":1}'],
    [
      "half a surrogate pair is no character",
      'p := ["\\ud800", json.unmarshal(`"\\udc00x"`)]',
      {},
      '["\ufffd","\ufffdx"]',
    ],
    ["also in a large constant", `q := {"a": "\\ud800", "b": "${"x".repeat(300)}"}\np := q.a`, {}, '"\ufffd"'],
    ["not of a reference that is undefined holds", "p if not input.none", {}, "true"],
    ["not of an equation with one holds", 'p if not input.none == "a"', {}, "true"],
    ["not of a call that is given one doesn't", 'p if not startswith(input.none, "a")', {}, "undefined"],
    ["nor of a membership", 'p if not input.none in {"a"}', {}, "undefined"],
    ["nor of a function", 'f(x) if x == "a"\np if not f(input.none)', {}, "undefined"],
    [
      "nor of a call whose operand is one without a value",
      'p if not startswith(lower(input.none), "a")',
      {},
      "undefined",
    ],
    ["nor of an equation with such a call", 'p if not lower(input.none) == "a"', {}, "undefined"],
    ["nor of a comparison", 'p if not input.none != "a"', {}, "undefined"],
    ["nor of a key that is undefined", 's := {"a"}\np if not s[input.none]', {}, "undefined"],
    ["nor of a collection around it", 'p if not [input.none] == ["a"]', {}, "undefined"],
    ["not of a call with its result as last operand holds", 'p if not startswith("b", "a", true)', {}, "true"],
    [
      "not below every looks at each member",
      'p if every x in input.l { not x.a in {"b"} }',
      { l: [{ a: "c" }, {}] },
      "undefined",
    ],
    ["not sees what `with` replaces", 'p if not startswith(input.x, "b") with input.x as "a"', {}, "true"],
    ["a key may be found by its value", 'p := k if input.o[k] == "b"', { o: { x: "a", y: "b" } }, '"y"'],
    ["else is tried in order", "p := 1 if input.x == 1 else := 2 if input.x == 2 else := 3", { x: 2 }, "2"],
    ["default functions", "f(x) := 1 if x == 1\ndefault f(_) := 0\np := [f(1), f(2)]", {}, "[1,0]"],
    ["with replaces input", "q := input.x\np := [q, r] if { r := q with input.x as 2 }", { x: 1 }, "[1,2]"],
    ["with replaces a function", "f(x) := x\np := y if y := f(1) with f as 5", {}, "5"],
    [
      "with ends with its literal",
      "q := input.x\np := [a, b] if { a := q with input as {`x`: 9}; b := q }",
      { x: 1 },
      "[9,1]",
    ],
    ["an empty comprehension is a value", "p := [x | some x in input.none]", {}, "[]"],
    ["walk visits everything", "p := count([1 | walk(input, _)])", { a: [1, { b: 2 }] }, "5"],
    ["integers beyond doubles", "p := input.x + 1", { x: 9007199254740993n }, "9007199254740994"],
    ["fractions add as in OPA", "p := 0.1 + 0.2", {}, "0.3"],
    ["template strings", 'p := $"{input.x} and {input.none}"', { x: [1] }, '"[1] and <undefined>"'],
    ["nested partial objects", "p.a[x] := 1 if some x in input.xs\np.b := 2", { xs: ["k"] }, '{"a":{"k":1},"b":2}'],
    ["out parameters", "p := x if count(input.xs, x)", { xs: [1, 2] }, "2"],
  ])("%s", (_name, rules, input, expected) => {
    expect(answer(rules, input)).toBe(expected);
  });

  test("two values for a rule are an error, not a choice", () => {
    expect(() => answer("p := x if some x in [1, 2]")).toThrow(RegoEvaluationError);
    expect(() => answer("default p := 0\np := 1 if true\np := 2 if true")).toThrow(/eval_conflict_error/);
  });

  test("base data and rules make one document", () => {
    expect(answer("p := data.t2", {}, { t2: { a: 1 }, pstate: {} })).toBe('{"a":1}');
    expect(answer('p := data["pstate"][input.k]', { k: "c1" }, { pstate: { c1: 3 } })).toBe("3");
  });
});

describe("threat 16: special keys are ordinary", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "length"])("%s", (key) => {
    expect(answer("p := input[input.k]", { k: key })).toBe("undefined");
    expect(answer("p if not data.pstate[input.k]", { k: key }, { pstate: {} })).toBe("true");
    const input = parseJson(`{"k": "${key}", "${key}": 7}`);
    const policy = compilePolicy([{ name: "t", text: "package t\np := input[input.k]\nq := {input.k: 1}\n" }]);
    expect(policy.evaluate({ path: "data.t.p", input })).toEqual({ kind: "value", value: 7 });
    const made = policy.evaluate({ path: "data.t.q", input });
    expect(made.kind === "value" && toJsonText(made.value)).toBe(`{"${key}":1}`);
  });
});

describe("threat 15: host-chosen text can't stall a match", () => {
  test("a pattern that backtracks elsewhere runs in linear time on a million characters", { timeout: 20_000 }, () => {
    const subject = `${"a".repeat(1_000_000)}!`;
    expect(answer("p if regex.match(`^(a+)+$`, input.s)", { s: subject })).toBe("undefined");
  });

  test("look-around and back-references are refused", () => {
    expect(answer("p if not regex.is_valid(`(?=a)`)")).toBe("true");
    expect(answer("p if not regex.is_valid(`(a)\\1`)")).toBe("true");
  });
});
