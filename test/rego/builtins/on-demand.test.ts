import { expect, test } from "vitest";
import { builtins } from "../../../guest/rego/builtins/index.ts";
import { compilePolicy, loadBuiltinsFor } from "../../../guest/rego/index.ts";

const names = (table: ReadonlyMap<string, unknown>): string[] =>
  [...table.keys()].filter((name) => name.startsWith("yaml.") || name.startsWith("graphql."));

test("libraries are loaded for texts that name their functions only", async () => {
  expect(names(builtins)).toEqual([]);
  expect(names(await loadBuiltinsFor([{ text: 'x := "/etc/config.yaml"; # graphql' }]))).toEqual([]);
  expect(names(await loadBuiltinsFor([{ text: "x" }, { text: "yaml.marshal(1)" }]))).toEqual([
    "yaml.marshal",
    "yaml.unmarshal",
    "yaml.is_valid",
  ]);
  expect(names(await loadBuiltinsFor([{ text: 'graphql["is_valid"](a, b)' }]))).toContain("graphql.is_valid");
});

test("a policy compiled without a library that it names is told so", () => {
  const text = 'package p\nx := yaml.marshal("a")\ny := yam.marshal("a")\n';
  const load = () => compilePolicy([{ name: "p.rego", text }]);
  expect(load).toThrow(/undefined function yaml\.marshal: its library was not loaded/);
  expect(load).toThrow(/undefined function yam\.marshal\n/);
});
