import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseJson } from "../../guest/core/json.ts";
import { compilerFor } from "../../guest/policy/compile-source.ts";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import { initialDocument } from "../../guest/policy/policy-state.ts";
import { loadWasmPolicy } from "../../guest/policy/wasm-engine.ts";
import { decider, recordingLog } from "./gate-under-test.ts";
import { assembleWasmPolicy } from "./wasm-policy.ts";

const start = "agent_policy/StartContainerRequest";
const ask = (module: Uint8Array, entrypoint = "StartContainerRequest") =>
  loadWasmPolicy(module).evaluate(entrypoint, {}, initialDocument);

describe("loadWasmPolicy", () => {
  test.each([
    ['[{"result":true}]', true],
    ['[{"result":false}]', false],
    ["[]", undefined],
    ['[{"result":9007199254740991}]', 9007199254740991],
  ])("a result set %s is %s", (set, value) => {
    expect(ask(assembleWasmPolicy({ results: { [start]: set } }))).toBe(value);
  });

  test("an entrypoint that was not built in is undefined", () => {
    const module = assembleWasmPolicy({ results: { [start]: '[{"result":true}]' } });
    expect(ask(module, "WaitProcessRequest")).toBeUndefined();
    expect(ask(module, "../x")).toBeUndefined();
    expect(loadWasmPolicy(module).hasRule("StartContainerRequest")).toBe(true);
    expect(loadWasmPolicy(module).hasRule("toString")).toBe(false);
  });

  test.each([
    ['[{"result":1},{"result":2}]', "unexpected result set"],
    ['{"result":true}', "unexpected result set"],
    ['[{"result":18446744073709551615}]', "not exact"],
    ["[nonsense]", "policy.wasm failed"],
    ["trap", "policy.wasm failed"],
  ])("threat 13: %s is no decision", (set, problem) => {
    expect(() => ask(assembleWasmPolicy({ results: { [start]: set } }))).toThrow(problem);
  });

  test("after a trap the next request gets a new instance", () => {
    const engine = loadWasmPolicy(
      assembleWasmPolicy({ results: { [start]: '[{"result":true}]', "agent_policy/WaitProcessRequest": "trap" } }),
    );
    const before = engine.evaluate("StartContainerRequest", {}, initialDocument);
    expect(() => engine.evaluate("WaitProcessRequest", {}, initialDocument)).toThrow("policy.wasm failed");
    expect([before, engine.evaluate("StartContainerRequest", {}, initialDocument)]).toEqual([true, true]);
  });

  test("threats 14, 15: built-ins that don't agree with OPA or run without bound are refused at load", () => {
    const withBuiltins = (...builtins: readonly string[]) => assembleWasmPolicy({ builtins, results: {} });
    expect(() => loadWasmPolicy(withBuiltins("json.is_valid"))).not.toThrow();
    for (const name of ["regex.split", "sprintf", "yaml.unmarshal", "http.send", "time.now_ns"])
      expect(() => loadWasmPolicy(withBuiltins("json.is_valid", name))).toThrow(`policy.wasm uses ${name}`);
  });

  test.each([
    ["nothing", new Uint8Array()],
    ["text", Buffer.from("package agent_policy")],
    ["an empty module", Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)],
    ["a cut module", assembleWasmPolicy({ results: {} }).subarray(0, 100)],
  ])("scenario P11: %s does not load", (_name, module) => {
    expect(() => loadWasmPolicy(module)).toThrow(/policy\.wasm does not load: .*build it with: opa build -t wasm/);
  });
});

/** OPA's own program, for whoever has it: on PATH, or where PODKEEP_OPA says. */
const opa = process.env["PODKEEP_OPA"] ?? "opa";
const opaIsThere = (() => {
  try {
    return execFileSync(opa, ["version"], { stdio: ["ignore", "pipe", "ignore"] }).length > 0;
  } catch {
    // Not on this machine.
    return false;
  }
})();

if (!opaIsThere) console.info("skipped: opa is not on this machine (PODKEEP_OPA names its place)");
test.skipIf(!opaIsThere)("a policy that OPA has built rules through the gate", async () => {
  const policy = `package agent_policy
    import rego.v1
    default StartContainerRequest := false
    StartContainerRequest if data.pstate[input.container_id].limit == 18446744073709551615
    CreateContainerRequest := {"allowed": true, "ops": [{"op": "add", "path": concat("/", ["", "pstate", input.container_id]),
      "value": {"limit": 18446744073709551615}}]} if regex.match("^c[0-9]+$", input.container_id)`;
  const module = build(policy, ["StartContainerRequest", "CreateContainerRequest"]);
  const evaluate = (name: string, input: string) =>
    loadWasmPolicy(module).evaluate(
      name,
      parseJson(input) as never,
      parseJson('{"pstate":{"c1":{"limit":18446744073709551615}}}') as never,
    );
  expect(evaluate("StartContainerRequest", '{"container_id":"c1"}')).toBe(true);
  expect(evaluate("StartContainerRequest", '{"container_id":"c2"}')).toBe(false);
  const gate = new PolicyGate({
    policy: { kind: "wasm", module },
    origin: { kind: "initdata" },
    debug: false,
    log: recordingLog().log,
    compile: await compilerFor({ kind: "wasm", module }),
  });
  const decide = decider(gate);
  expect(() => decide("StartContainer", { container_id: "c1" })).toThrow("is blocked by policy");
  // The value is past what the library's own result parsing keeps exact, so the change is refused rather than rounded.
  expect(() => decide("CreateContainer", { container_id: "c1" })).toThrow("policy evaluation failed");
  expect(() => decide("CreateContainer", { container_id: "x1" })).toThrow("unexpected eval_query result len");
});

function build(policy: string, entrypoints: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "podkeep-opa-"));
  try {
    writeFileSync(join(folder, "policy.rego"), policy);
    const named = entrypoints.flatMap((name) => ["-e", `agent_policy/${name}`]);
    const bundle = join(folder, "bundle.tar.gz");
    execFileSync(opa, ["build", "-t", "wasm", ...named, "-o", bundle, join(folder, "policy.rego")]);
    execFileSync("tar", ["-xzf", bundle, "-C", folder, "/policy.wasm"], { stdio: "ignore" });
    return readFileSync(join(folder, "policy.wasm"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
