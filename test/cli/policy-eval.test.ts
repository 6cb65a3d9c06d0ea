import { describe, expect, test } from "vitest";
import { run } from "../../guest/cli/policy-eval.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

const policy = `package agent_policy
import rego.v1
default StartContainerRequest := false
StartContainerRequest if {
  print("asked for", input.container_id)
  data.pstate[input.container_id] == 18446744073709551615
}
CreateContainerRequest := {"allowed": true, "ops": [{"op": "add", "path": concat("/", ["", "pstate", input.container_id]), "value": input.n}]}
RemoveContainerRequest := {"allowed": true, "ops": [{"op": "remove", "path": "/pstate/missing"}]}
WaitProcessRequest := "yes"
`;

async function evaluate(request: string, input: string, more: readonly string[] = [], text = policy) {
  using folder = new TestFolder();
  const files = ["--policy", folder.file("policy.rego", text), "--request", request, "--input", "-"];
  const state = folder.file("state.json", '{"pstate":{"c1":18446744073709551615}}');
  return await runCommand(run, [...files, ...more.map((word) => (word === "STATE" ? state : word))], input);
}

describe("podkeep policy eval", () => {
  test("an allowed request: its operations and the state after it, numbers exact", async () => {
    const result = await evaluate("CreateContainerRequest", '{"container_id":"c1","n":18446744073709551615}', [
      "--json",
    ]);
    expect(result).toEqual({
      exitCode: 0,
      stdout:
        '{"allowed":true,"reason":"the rule is true","ops":[{"op":"add","path":"/pstate/c1","value":18446744073709551615}],"state":{"pstate":{"c1":18446744073709551615}}}\n',
      stderr: "",
    });
  });

  test("a state of earlier requests is read exactly", async () => {
    expect((await evaluate("StartContainerRequest", '{"container_id":"c1"}', ["--state", "STATE"])).exitCode).toBe(0);
    expect((await evaluate("StartContainerRequest", '{"container_id":"c2"}', ["--state", "STATE"])).exitCode).toBe(1);
  });

  test.each([
    ["StartContainerRequest", "denied: the rule is false"],
    [
      "NoSuchRequest",
      "denied: the policy has no rule NoSuchRequest, which has to be named as the request's message is",
    ],
    ["WaitProcessRequest", "denied: the rule's value is a string"],
    ["RemoveContainerRequest", "denied: evaluation failed: a place in the document doesn't exist"],
  ])("%s: %s", async (request, reason) => {
    const { exitCode, stdout } = await evaluate(request, '{"container_id":"c1"}');
    expect([exitCode, stdout]).toEqual([1, `${reason}\nstate: {"pstate":{}}\n`]);
  });

  test("--explain shows the literal that failed and what the rules printed", async () => {
    const { stderr } = await evaluate("StartContainerRequest", '{"container_id":"c1"}', ["--explain"]);
    expect(stderr).toMatch(/policy\.rego:6: data\.agent_policy\.StartContainerRequest failed at/);
    expect(stderr).toContain("  data.pstate[input.container_id] == 18446744073709551615\n");
    expect(stderr).toMatch(/printed:\n {2}.*policy\.rego:5: asked for c1/);
  });

  test("threat 11: a policy that lets failures pass says so", async () => {
    const text = `${policy}\nAllowRequestsFailingPolicy := true\n`;
    expect((await evaluate("StartContainerRequest", "{}", [], text)).stdout).toMatch(
      /^allowed: the rule is denied, but AllowRequestsFailingPolicy is true/,
    );
  });

  test("a policy that does not load: every fault with its line", async () => {
    const { exitCode, stderr } = await evaluate("StartContainerRequest", "{}", [], "package agent_policy\nx := {");
    expect([exitCode, stderr.includes("policy.rego:2")]).toEqual([1, true]);
  });

  test.each(["", "[]", '{"a":1,"a":2}', "{", "null"])("input %j is refused", async (input) => {
    const { exitCode, stderr } = await evaluate("StartContainerRequest", input);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^podkeep policy eval: -: /);
  });

  test.each([[[]], [["--policy", "x"]], [["--bogus"]], [["stray"]]])("wrong command line %j", async (args) => {
    const { exitCode, stderr } = await runCommand(run, args);
    expect([exitCode, stderr.includes("usage: podkeep policy eval")]).toEqual([2, true]);
  });

  test("--help", async () => {
    expect(await runCommand(run, ["--help"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("usage: "),
    });
  });
});
