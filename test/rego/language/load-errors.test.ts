import { describe, expect, test } from "vitest";
import { compilePolicy, type Diagnostic, formatDiagnostic, RegoLoadError } from "../../../guest/rego/index.ts";

function diagnosticsOf(text: string, version: "v0" | "v1" = "v1"): readonly Diagnostic[] {
  try {
    compilePolicy([{ name: "policy.rego", text }], { version });
  } catch (error) {
    if (error instanceof RegoLoadError) {
      return error.diagnostics;
    }
    throw error;
  }
  return [];
}

describe("load errors", () => {
  test("a fault has its place, the line and a caret", () => {
    const [fault] = diagnosticsOf("package t\n\nallow if {\n\tx > 1\n}\n");
    expect(fault).toMatchObject({ code: "rego_unsafe_var_error", line: 4, column: 2 });
    expect(fault === undefined ? "" : formatDiagnostic(fault)).toBe(
      "policy.rego:4:2: rego_unsafe_var_error: variable x is unsafe: nothing gives it a value\n\tx > 1\n\t^",
    );
  });

  test("columns count code points", () => {
    const [fault] = diagnosticsOf('package t\np := ["😀", y]\n');
    expect(fault).toMatchObject({ line: 2, column: 12 });
  });

  test("syntax faults of several rules are reported together", () => {
    const faults = diagnosticsOf('package t\np := \nq := "ok"\nr if { not }\ns := [1, 2\nt := 1\n');
    expect(faults.map(({ line }) => line)).toEqual([3, 4, 6]);
  });

  test("faults of different kinds are reported together", () => {
    const faults = diagnosticsOf("package t\np if { x > 1 }\nq := nope(1)\nr if { some z }\nf(x) := f(x)\n");
    expect(faults.map(({ code, line }) => [line, code])).toEqual([
      [2, "rego_unsafe_var_error"],
      [3, "rego_type_error"],
      [4, "rego_compile_error"],
      [5, "rego_recursion_error"],
    ]);
  });

  test("a fault in one literal does not make the variables it declares unknown", () => {
    expect(diagnosticsOf("package t\np if { x := nope(1); x == 2 }\n")).toHaveLength(1);
  });

  test.each([
    ["default with a variable", "default p := x", "rego_parse_error"],
    ["two defaults", "default p := 1\ndefault p := 2", "rego_type_error"],
    ["a function and a rule of one name", "p := 1\np(x) := x", "rego_type_error"],
    ["arities that differ", "f(x) := x\nf(x, y) := y", "rego_type_error"],
    ["too many operands", "p := count([1], 2, 3)", "rego_type_error"],
    ["recursion through the package", "p := data.t", "rego_recursion_error"],
    ["recursion through a function", "f(x) := q\nq := f(1)", "rego_recursion_error"],
    ["a rule below a rule", "a := 1\na.b := 2", "rego_type_error"],
    ["a variable assigned twice", "p if { x := 1; x := 2 }", "rego_compile_error"],
    ["a wildcard under not", "p if not input.xs[_] == 1", "rego_unsafe_var_error"],
    ["a constant pattern that is malformed", 'p if regex.match("(", input.x)', "rego_compile_error"],
    ["a built-in that is not deterministic", 'p := http.send({"method": "get", "url": "x"})', "rego_type_error"],
    ["with on a local variable", "p if { x := 1; input.y with x as 2 }", "rego_type_error"],
    ["a number with a leading zero", "p := 01", "rego_parse_error"],
    ["a union in braces alone is a comprehension without bindings", "p := {x | y}", "rego_unsafe_var_error"],
  ])("%s", (_name, text, code) => {
    expect(diagnosticsOf(`package t\n${text}\n`).map((fault) => fault.code)).toContain(code);
  });

  test("a path of rules through the same name in other packages is no recursion", () => {
    const modules = ["package a\np := data[input.x].q\n", "package b\nq := 1\n"];
    const policy = compilePolicy(modules.map((text, index) => ({ name: `${index}`, text })));
    expect(policy.evaluate({ path: "data.a.p", input: { x: "b" } })).toEqual({ kind: "value", value: 1 });
  });
});

test("rules that depend on each other too deeply are refused at load", () => {
  const rules = Array.from({ length: 20_000 }, (_, index) => `r${index} := [r${index + 1}]`);
  expect(diagnosticsOf(`package t\n${rules.join("\n")}\nr20000 := 1\n`)[0]?.code).toBe("rego_compile_error");
});

describe("versions", () => {
  const v0 = "package t\np[x] { x := 1 }\n";

  test("v0 text is an error where v1 is asked for", () => {
    expect(diagnosticsOf(v0)[0]).toMatchObject({ code: "rego_parse_error", line: 2 });
  });

  test("without a version each module decides for itself", () => {
    const policy = compilePolicy([
      { name: "old", text: v0 },
      { name: "new", text: "package u\nimport rego.v1\nq contains data.t.p[_]\n" },
    ]);
    expect(policy.query("data.u.q = x", {})).toEqual([new Map([["x", policy.query("x = {1}", {})[0]?.get("x")]])]);
  });

  test("a module that imports rego.v1 is never read as v0", () => {
    const text = `package t\nimport rego.v1\np { true }\n`;
    expect(() => compilePolicy([{ name: "x", text }])).toThrow(RegoLoadError);
  });
});

test("with can't replace a part of a rule's value", () => {
  const [fault] = diagnosticsOf('package t\nq := {"a": 1}\np := r if r := q with data.t.q.a as 2\n');
  expect(fault).toMatchObject({ code: "rego_compile_error", line: 3 });
  expect(diagnosticsOf('package t\nq := {"a": 1}\np := r if r := q with data.t.q as {"a": 2}\n')).toEqual([]);
});

describe("hostile text", () => {
  test.each([
    ["brackets", `p := ${"[".repeat(100_000)}`],
    ["parentheses", `p := ${"(".repeat(100_000)}1`],
    ["braces that may be comprehensions", `p := ${"{[".repeat(5_000)}`],
    ["unions in arrays", `p := ${"[a | ".repeat(60)}`],
    ["comprehensions that turn out to be arrays", `p := ${"[a | b, ".repeat(40)}`],
    ["template strings", `p := ${'$"{'.repeat(1000)}`],
    ["a long path", `p := a${".b".repeat(100_000)}`],
    ["a long sum", `p := 1${" + 1".repeat(100_000)}`],
    ["a number of many digits", `p := 1e999999999`],
    ["many not ready closures", `p if { ${"y := [1 | ".repeat(30)} x == z ${"]".repeat(30)} }`],
    ["a NUL", "p := \u0000"],
    ["half a character", 'p := "\ud800" \ud800'],
  ])("%s", { timeout: 30_000 }, (_name, text) => {
    expect(() => compilePolicy([{ name: "x", text: `package t\n${text}\n` }])).toThrow();
  });
});
