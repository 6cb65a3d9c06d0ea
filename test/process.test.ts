import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const launcher = resolve(import.meta.dirname, "../guest/cli/podkeep");

/** Runs podkeep; whoever would read standard output is gone at once when told so. */
async function run(args: readonly string[], isRead = true): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = spawn(launcher, args, { stdio: ["ignore", "pipe", "pipe"] });
  if (!isRead) child.stdout.destroy();
  const [stdout, stderr, [code]] = await Promise.all([
    isRead ? text(child.stdout) : "",
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code, stdout, stderr };
}

test("podkeep --version says its version", async () => {
  expect(await run(["--version"])).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^podkeep \d+\.\d+\.\d+\n$/),
    stderr: "",
  });
});

test.each(["", "constructor", "nothing"])("the subcommand %j is a wrong command line", async (name) => {
  const { code, stdout, stderr } = await run([name]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("usage: podkeep SUBCOMMAND");
});

test("nobody who reads what it says is no reason to fail", async () => {
  expect(await run(["--help"], false)).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("a failure that a subcommand lets through is one line", async () => {
  expect(await run(["agent", "--config", "/nowhere/podkeep.toml"])).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(
      /^podkeep agent: configuration file \/nowhere\/podkeep.toml can't be used: ENOENT: [^\n]*\n$/,
    ),
  });
});
