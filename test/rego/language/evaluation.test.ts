import { describe, expect, test } from "vitest";
import {
  compilePolicy,
  formatExplanation,
  type JsonInput,
  RegoEvaluationError,
  RegoLimitError,
} from "../../../guest/rego/index.ts";

function compile(rules: string) {
  return compilePolicy([{ name: "agent_policy", text: `package agent_policy\nimport rego.v1\n${rules}\n` }]);
}

const path = "data.agent_policy.allow";

describe("prints", () => {
  const policy = compile(`allow if {
  print("checking", input.name, input.none, ["a", 1.5, null], {"k": {1}})
  input.name == "x"
  print("passed")
}`);

  test("have file, line and arguments, and don't change the decision", () => {
    const input = { name: "y" };
    expect(policy.prints({ path, input })).toEqual([
      'agent_policy:4: checking y <undefined> ["a", 1.5, null] {"k": {1}}',
    ]);
    expect(policy.evaluate({ path, input })).toEqual({ kind: "undefined" });
    expect(policy.prints({ path, input: { name: "x" } })).toHaveLength(2);
  });

  test("are bounded", () => {
    const loud = compile("allow if { some x in numbers.range(1, 1000); print(input.text); x < 0 }");
    const lines = loud.prints({ path, input: { text: "z".repeat(1000) }, limits: { maxPrintLength: 5000 } });
    expect(lines.join("").length).toBeLessThanOrEqual(5000);
  });

  test("threat 13: what is printed beyond the bound is not even formatted", { timeout: 20_000 }, () => {
    const loud = compile("allow if { some x in numbers.range(1, 10000); print(input.list); x < 0 }");
    const list = Array.from({ length: 20_000 }, (_, index) => `element ${index}`);
    // To format the list ten thousand times would take minutes.
    expect(loud.prints({ path, input: { list } })).not.toEqual([]);
  });
});

describe("explanations", () => {
  const policy = compile(`default allow := false
allow if {
  input.kind == "a"
  some item in data.items
  item_allowed(item)
}
allow if input.kind == "never"
item_allowed(item) if item.size < 10
item_allowed(item) if { item.name == "big"; item.owner == input.owner }`);
  const request = (input: JsonInput) => ({ path, input, data: { items: [{ size: 50, name: "big", owner: "me" }] } });

  test("name the literal that failed with its values, nearest miss first", () => {
    const { attempts } = policy.explain(request({ kind: "a", owner: "you" }));
    expect(attempts.map(({ line, literal, depth }) => [depth, line, literal])).toEqual([
      [0, 7, "item_allowed(item)"],
      [1, 11, "item.owner == input.owner"],
      [1, 10, "item.size < 10"],
      [0, 9, 'input.kind == "never"'],
    ]);
    expect(attempts[1]?.values).toEqual([
      { name: "item.owner", value: '"me"' },
      { name: "input.owner", value: '"you"' },
    ]);
    expect(attempts[0]).toMatchObject({ rule: path, file: "agent_policy", passed: 2, total: 3 });
  });

  test("say once what a loop tried many times, and leave out what the literal was to give a value to", () => {
    const looping = compile(
      "allow if { some x in [1, 2, 3]; first := input.list[0]; name := named(input.name); name == x }\n" +
        'named(name) := part if { parts := split(name, "="); part := parts[1] }',
    );
    const { attempts } = looping.explain({ path, input: { list: [1], name: "a" } });
    expect(attempts.map(({ literal, values }) => [literal, values])).toEqual([
      ["name := named(input.name)", [{ name: "input.name", value: '"a"' }]],
      [
        "part := parts[1]",
        [
          { name: "parts", value: '["a"]' },
          { name: "parts[1]", value: "undefined" },
        ],
      ],
    ]);
  });

  test("of an allowed request are empty", () => {
    const allowed = request({ kind: "a", owner: "me" });
    expect(policy.evaluate(allowed)).toEqual({ kind: "value", value: true });
    expect(policy.explain(allowed).attempts.filter(({ depth }) => depth > 0)).toEqual([]);
  });

  test("are bounded in number and length", () => {
    const many = compile("allow if { some x in input.xs; bad(x, input.text) }\nbad(x, y) if { x < 0; y }");
    const text = "t".repeat(100_000);
    const explanation = many.explain({ path, input: { xs: Array.from({ length: 5000 }, (_, index) => index), text } });
    expect(explanation.truncated).toBe(true);
    expect(formatExplanation(explanation).length).toBeLessThan(200_000);
  });

  test("never throw for what the evaluation throws", () => {
    const conflicting = compile("allow := x if some x in [1, 2]");
    expect(() => conflicting.evaluate({ path })).toThrow(RegoEvaluationError);
    expect(conflicting.explain({ path }).attempts).toEqual([]);
  });
});

describe("threat 13: limits are errors, never answers", () => {
  test("steps", () => {
    const policy = compile(
      "xs := numbers.range(1, 2000)\nallow if { some a in xs; some b in xs; some c in xs; a + b + c < 0 }",
    );
    expect(() => policy.evaluate({ path, limits: { maxSteps: 100_000 } })).toThrow(RegoLimitError);
  });

  test("a limit under a negation does not make it hold", () => {
    const policy = compile(
      "xs := numbers.range(1, 2000)\nallow if not any_pair\nany_pair if { some a in xs; some b in xs; a + b < 0 }",
    );
    expect(() => policy.evaluate({ path, limits: { maxSteps: 10_000 } })).toThrow(RegoLimitError);
  });

  test("output", () => {
    const policy = compile("allow := [[a, b] | some a in input.xs; some b in input.xs]");
    const input = { xs: Array.from({ length: 2000 }, (_, index) => index) };
    expect(() => policy.evaluate({ path, input, limits: { maxOutput: 100_000 } })).toThrow(RegoLimitError);
  });

  test("text that doubles with each rule", () => {
    const rules = Array.from({ length: 60 }, (_, index) => `r${index + 1} := concat("", [r${index}, r${index}])`);
    const policy = compile(`r0 := "0123456789"\n${rules.join("\n")}\nallow := r60`);
    // Longer than any text may get: no value, long before memory runs out.
    expect(policy.evaluate({ path })).toEqual({ kind: "undefined" });
  });

  test.each([
    ["membership", "every x in input.xs { not x in input.ys }"],
    ["membership in an object", "every x in input.xs { not x in input.object }"],
    ["equal arrays", "every x in input.xs { input.ys == input.copy }"],
    ["unified arrays", "every x in input.xs { input.ys = input.copy }"],
    ["arrays in a pattern", "every x in input.xs { [input.ys, _] = [input.copy, x] }"],
    ["ordered arrays", "every x in input.xs { input.ys <= input.copy }"],
    ["unions", "every x in input.xs { count(ys | {x}) > 0 }"],
    ["intersections", "every x in input.xs { count(ys & {x}) == 0 }"],
    ["differences", "every x in input.xs { count(ys - {x}) > 0 }"],
  ])("the size of what is compared: %s", (_name, body) => {
    const policy = compile(`allow if { ${body} }\nys contains y if some y in input.ys`);
    const numbered = (letter: string): string[] => Array.from({ length: 500 }, (_, index) => `${letter}${index}`);
    const object = Object.fromEntries(numbered("y").map((y) => [y, y]));
    const input = { xs: numbered("x"), ys: numbered("y"), copy: numbered("y"), object };
    expect(policy.evaluate({ path, input })).toEqual({ kind: "value", value: true });
    const limits = { maxSteps: 100_000, maxOutput: 100_000 };
    expect(() => policy.evaluate({ path, input, limits })).toThrow(RegoLimitError);
  });

  test("patterns that the host chooses", () => {
    const policy = compile("allow if { some pattern in input.patterns; regex.match(pattern, `x`) }");
    const patterns = Array.from({ length: 200 }, (_, index) => `(?i)[\\pL\\pN]${index}`);
    expect(() => policy.evaluate({ path, input: { patterns }, limits: { maxSteps: 100_000 } })).toThrow(RegoLimitError);
    // What is malformed costs as much to read.
    const malformed = patterns.map((pattern) => `${pattern}(`);
    expect(() => policy.evaluate({ path, input: { patterns: malformed }, limits: { maxSteps: 100_000 } })).toThrow(
      RegoLimitError,
    );
  });

  test("call depth", () => {
    const depth = 600;
    const rules = Array.from({ length: depth }, (_, index) => `r${index} := [r${index + 1}]`);
    const policy = compile(`${rules.join("\n")}\nr${depth} := input.x\nallow := r0`);
    expect(() => policy.evaluate({ path, input: { x: 1 } })).toThrow(RegoLimitError);
  });

  test("an evaluation after one that failed starts afresh", () => {
    const policy = compile("allow if count([1 | some a in input.xs]) > 0");
    const input = { xs: Array.from({ length: 1000 }, (_, index) => index) };
    expect(() => policy.evaluate({ path, input, limits: { maxSteps: 10 } })).toThrow(RegoLimitError);
    expect(policy.evaluate({ path, input })).toEqual({ kind: "value", value: true });
  });
});

describe("threat 14: an index of candidates finds what a comparison with each of them finds, also the second time", () => {
  const letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  test.each([
    ["elements of arrays", letters.map((name) => [name, 1]), "row[0]"],
    ["elements of nested arrays", letters.map((name) => ({ names: [name] })), "row.names[0]"],
    ["members of objects", letters.map((name) => ({ name })), "row.name"],
    ["the elements themselves", letters, "row"],
  ])("%s", (_name, rows, part) => {
    const policy = compile(`rows := ${JSON.stringify(rows)}\nallow if { some row in rows; ${part} == input.name }`);
    for (let run = 0; run < 3; run += 1) {
      expect(policy.evaluate({ path, input: { name: "c" } })).toEqual({ kind: "value", value: true });
      expect(policy.evaluate({ path, input: { name: "z" } })).toEqual({ kind: "undefined" });
    }
  });

  test("members of sets", () => {
    const rows = letters.map((name) => `{"${name}"}`).join(", ");
    const policy = compile(`rows := [${rows}]\nallow if { some row in rows; row["c"] == input.name }`);
    for (let run = 0; run < 3; run += 1) {
      expect(policy.evaluate({ path, input: { name: "c" } })).toEqual({ kind: "value", value: true });
    }
  });
});

describe("the interface", () => {
  test("strict mode makes built-in errors errors, once and again", () => {
    const policy = compile('allow if { to_number(q) == 1 }\nq := "x"');
    expect(policy.evaluate({ path })).toEqual({ kind: "undefined" });
    for (let run = 0; run < 2; run += 1) {
      expect(() => policy.evaluate({ path, strict: true })).toThrow(/eval_builtin_error/);
    }
  });

  test("hasRule knows rules and defaults, not functions", () => {
    const policy = compile("default allow := false\nf(x) := x\nq.r := 1");
    expect(["data.agent_policy.allow", "data.agent_policy.q.r"].map((name) => policy.hasRule(name))).toEqual([
      true,
      true,
    ]);
    expect(["data.agent_policy.f", "data.agent_policy.no", "data.x"].map((name) => policy.hasRule(name))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test("a frozen input is neither changed nor needed after the evaluation", () => {
    const policy = compile("allow := {x | some x in input.xs}");
    const input = Object.freeze({ xs: Object.freeze([2, 1]) });
    policy.evaluate({ path, input });
    expect(input).toEqual({ xs: [2, 1] });
  });

  test("values of one evaluation don't show in the next", () => {
    const policy = compile("q := input.x\nallow if q == 1");
    expect(policy.evaluate({ path, input: { x: 1 } })).toEqual({ kind: "value", value: true });
    expect(policy.evaluate({ path, input: { x: 2 } })).toEqual({ kind: "undefined" });
  });
});
