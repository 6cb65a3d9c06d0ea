import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createPipe, openReadable } from "../../guest/sys/pipe.ts";
import { findProgram, runProgram, runToSuccess } from "../../guest/sys/program.ts";
import { eventually, temporaryDirectory } from "./support.ts";

const sh = findProgram("sh");

/** Runs a line of shell, which is the test's choice: runProgram itself never uses one. */
function shell(line: string, options: Parameters<typeof runProgram>[2] = {}): ReturnType<typeof runProgram> {
  return runProgram(sh, ["-c", line], options);
}

describe("results", () => {
  test("exit code, signal and both outputs", async () => {
    expect(await shell("echo out; echo err >&2; exit 3")).toEqual({
      exitCode: 3,
      signal: null,
      stdout: Buffer.from("out\n"),
      stderr: Buffer.from("err\n"),
    });
    expect(await shell("kill -TERM $$")).toMatchObject({ exitCode: null, signal: "SIGTERM" });
  });

  test("what has to succeed fails with the program's own words", async () => {
    expect((await runToSuccess(sh, ["-c", "echo fine"])).toString()).toBe("fine\n");
    await expect(runToSuccess(sh, ["-c", "echo no good >&2; exit 2"])).rejects.toThrow("sh ended with code 2: no good");
    await expect(runToSuccess(sh, ["-c", "kill -9 $$"])).rejects.toThrow("sh was ended by SIGKILL");
  });

  test("standard input is given whole, also to a program that doesn't want it", async () => {
    const bytes = Buffer.alloc(300_000, "x");
    const result = await shell("wc -c", { stdin: bytes });
    expect(result.stdout.toString().trim()).toBe("300000");
    expect((await shell("exit 0", { stdin: bytes })).exitCode).toBe(0);
    expect((await shell("cat")).stdout).toHaveLength(0);
  });

  test("a program that isn't there, isn't one, or can't have such a long argument", async () => {
    await expect(runProgram("/no/such/program", [])).rejects.toThrow("ENOENT: No such file or directory");
    const file = path.join(temporaryDirectory(), "plain");
    fs.writeFileSync(file, "");
    await expect(runProgram(file, [])).rejects.toThrow("EACCES: Permission denied");
    await expect(runProgram(sh, ["x".repeat(1 << 20)])).rejects.toMatchObject({ name: "SystemError", errno: "E2BIG" });
    expect(() => findProgram("no-such-program")).toThrow("program no-such-program is not installed");
  });
});

describe("threat 131: nothing is injected", () => {
  test("arguments are words, whatever is in them", async () => {
    const words = ["$(id)", "; id", "a b", "'", '"', "\n", "-n", "", "*", "é\u{1f600}"];
    const result = await runProgram(sh, ["-c", 'printf "%s|" "$@"', "sh", ...words]);
    expect(result.stdout.toString()).toBe(words.map((word) => `${word}|`).join(""));
  });

  test("a NUL is refused, in the program's name, too", async () => {
    await expect(runProgram(sh, ["a\0b"])).rejects.toThrow("an argument of a program has a NUL in it");
    await expect(runProgram("/bin/sh\0", [])).rejects.toThrow("an argument of a program has a NUL in it");
  });

  test("no relative programs", async () => {
    await expect(runProgram("sh", [])).rejects.toThrow(TypeError);
    expect(() => findProgram("../bin/sh")).toThrow(TypeError);
  });

  test("nothing of our environment is passed on", async () => {
    const result = await runProgram(findProgram("env"), [], { env: { LANG: "C" } });
    expect(result.stdout.toString().trim().split("\n").sort()).toEqual([
      "LANG=C",
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
  });

  test("none of our descriptors is passed on but those that were meant", async () => {
    const fd = fs.openSync("/dev/zero", "r");
    const pipe = createPipe();
    const result = await shell("ls /proc/self/fd; readlink /proc/self/fd/3", { extraFds: [fd] });
    for (const open of [fd, pipe.readFd, pipe.writeFd]) fs.closeSync(open);
    expect(result.stdout.toString().trim().split("\n")).toEqual(["0", "1", "2", "3", "4", "/dev/zero"]);
  });
});

describe("bounds", () => {
  test("time", async () => {
    await expect(shell("sleep 60", { timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline-exceeded" });
  });

  test("output", async () => {
    await expect(runProgram(findProgram("yes"), [], { maxOutputBytes: 10_000 })).rejects.toMatchObject({
      code: "resource-exhausted",
    });
  });

  test("cancelling, before and while it runs", async () => {
    const marker = path.join(temporaryDirectory(), "started");
    const abort = new AbortController();
    const running = shell(`touch ${marker}; sleep 60`, { signal: abort.signal });
    await eventually(() => fs.existsSync(marker));
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
    await expect(shell("true", { signal: abort.signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  test("a program that has ended can't be cancelled any more, though its output is still open", async () => {
    const file = path.join(temporaryDirectory(), "ids");
    const abort = new AbortController();
    const running = shell(`sleep 20 & echo $$ $! > ${file}.new; mv ${file}.new ${file}`, { signal: abort.signal });
    await eventually(() => fs.existsSync(file));
    const [program, sleeper] = fs.readFileSync(file, "utf8").trim().split(" ");
    await eventually(() => !fs.existsSync(`/proc/${program}`));
    abort.abort();
    const result = await running.finally(() => process.kill(Number(sleeper), "SIGKILL"));
    expect(result.exitCode).toBe(0);
  });

  test("a descendant that keeps the output open is not waited for", async () => {
    const result = await shell("echo early; sleep 20 & echo $!");
    const [early, sleeper] = result.stdout.toString().trim().split("\n");
    process.kill(Number(sleeper), "SIGKILL");
    expect(early).toBe("early");
    expect(result.exitCode).toBe(0);
  });
});

describe("descriptors in place of captured output", () => {
  test("a real pipe, that the program can open again by name", async () => {
    const pipe = createPipe({ sizeBytes: 1 << 20 });
    const result = await shell("echo by name > /dev/stdout; echo err >&2", { stdoutFd: pipe.writeFd });
    fs.closeSync(pipe.writeFd);
    expect(result.stdout).toHaveLength(0);
    expect(result.stderr.toString()).toBe("err\n");
    expect(Buffer.concat(await openReadable(pipe.readFd).toArray()).toString()).toBe("by name\n");
  });

  test("input from a descriptor", async () => {
    const file = path.join(temporaryDirectory(), "input");
    fs.writeFileSync(file, "from a file");
    const fd = fs.openSync(file, "r");
    expect((await shell("cat", { stdin: { fd } })).stdout.toString()).toBe("from a file");
    fs.closeSync(fd);
  });
});
