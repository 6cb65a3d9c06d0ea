import { describe, expect, test } from "vitest";
import { run } from "../../guest/cli/policy.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

const policy = (...args: readonly string[]) => runCommand(run, args);

test.each([[[]], [["evaluate"]]])("a wrong action %j is exit code 2, with the actions there are", async (args) => {
  const { exitCode, stdout, stderr } = await policy(...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^podkeep policy: (no action|unknown action evaluate)\n\nusage: podkeep policy eval/);
});

test("--help lists the actions, and each action has its own", async () => {
  for (const [args, usage] of [
    [[], "usage: podkeep policy eval"],
    [["eval"], "usage: podkeep policy eval --policy"],
    [["check"], "usage: podkeep policy check FILE"],
    [["test"], "usage: podkeep policy test"],
  ] as const) {
    const { exitCode, stdout, stderr } = await policy(...args, "--help");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(usage);
  }
});

describe("podkeep policy check", () => {
  test("files that load together as one policy are fine", async () => {
    using folder = new TestFolder();
    const rules = folder.file("rules.rego", "package agent_policy\nExecProcessRequest := allowed\n");
    const data = folder.file("data.rego", "package agent_policy\nallowed := false\n");
    expect(await policy("check", rules, data)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("every mistake has its place", async () => {
    using folder = new TestFolder();
    const file = folder.file("broken.rego", "package agent_policy\ndefault A := b\nB := c\n");
    const { exitCode, stdout, stderr } = await policy("check", file);
    expect([exitCode, stderr]).toEqual([1, ""]);
    expect(stdout).toContain(`${file}:2:14: rego_parse_error`);
  });

  test.each([[[]], [["--strict", "x"]]])("wrong command line %j", async (args) => {
    const { exitCode, stderr } = await policy("check", ...args);
    expect([exitCode, stderr.includes("usage: podkeep policy check")]).toEqual([2, true]);
  });

  test("a file that is missing is named", async () => {
    const { exitCode, stderr } = await policy("check", "/nowhere/x.rego");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("/nowhere/x.rego: ENOENT")]);
  });
});

describe("podkeep policy test", () => {
  test("counts cases; one that is no case fails and is named by its line", async () => {
    using folder = new TestFolder();
    const { exitCode, stdout } = await policy("test", folder.file("cases.jsonl", "\n{}\n"));
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^FAILED \S+cases\.jsonl:2\n {2}a case has a text id\n0 passed, 1 failed\n$/);
  });

  test.each([[[]], [["--fast", "x"]]])("wrong command line %j", async (args) => {
    const { exitCode, stderr } = await policy("test", ...args);
    expect([exitCode, stderr.includes("usage: podkeep policy test")]).toEqual([2, true]);
  });
});
