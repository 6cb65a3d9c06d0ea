import { expect, test } from "vitest";
import { builtins } from "../../../guest/rego/builtins/index.ts";
import { compilePolicy, loadBuiltinsFor } from "../../../guest/rego/index.ts";

const names = (table: ReadonlyMap<string, unknown>): string[] =>
  [...table.keys()].filter((name) => name.startsWith("yaml.") || name.startsWith("graphql.")).sort();

test("libraries are loaded for texts that name their functions only", async () => {
  expect(names(builtins)).toEqual([]);
  expect(names(await loadBuiltinsFor([{ text: 'x := "/etc/config.yaml"; # graphql' }]))).toEqual([]);
  expect(names(await loadBuiltinsFor([{ text: "x" }, { text: "yaml.marshal(1)" }]))).toEqual([
    "yaml.is_valid",
    "yaml.marshal",
    "yaml.unmarshal",
  ]);
  expect(names(await loadBuiltinsFor([{ text: 'graphql["is_valid"](a, b)' }]))).toContain("graphql.is_valid");
});

test("a policy compiled without a library that it names is told so", () => {
  const load = (name: string) => () => compilePolicy([{ name: "p.rego", text: `package p\nx := ${name}("a")\n` }]);
  expect(load("yaml.marshal")).toThrow(/undefined function yaml\.marshal: its library was not loaded/);
  expect(load("yam.marshal")).toThrow(/undefined function yam\.marshal$/m);
});
