import { expect, test } from "vitest";
import { compilerFor } from "../../guest/policy/compile-source.ts";
import type { PolicySource } from "../../guest/policy/policy-engine.ts";

const rego = (body: string): PolicySource => ({ kind: "rego", text: `package agent_policy\n${body}\n` });
const plain = rego("default CopyFileRequest := false");
const withYaml = rego('CopyFileRequest if yaml.unmarshal("a: 1").a == 1');

test("a policy that names a family on a large library has it", async () => {
  const compile = await compilerFor(withYaml);
  expect(compile(withYaml, "agent_policy").evaluate("CopyFileRequest", {}, {})).toBe(true);
  expect(compile(plain, "agent_policy").evaluate("CopyFileRequest", {}, {})).toBe(false);
});

test("a later policy that needs a library that was not loaded is refused with the reason", async () => {
  const compile = await compilerFor(plain);
  expect(() => compile(withYaml, "agent_policy")).toThrow(
    /undefined function yaml\.unmarshal: its library was not loaded/,
  );
});

test("WebAssembly where the start was Rego is refused with the reason", async () => {
  const compile = await compilerFor(plain);
  expect(() => compile({ kind: "wasm", module: new Uint8Array() }, "agent_policy")).toThrow(
    "policy.wasm was not loaded",
  );
});
