import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChildReaper, exitCodeOf } from "../../guest/sys/child-reaper.ts";
import { findProgram, runProgram } from "../../guest/sys/program.ts";
import { eventually, temporaryDirectory } from "./support.ts";

let reaper: ChildReaper;
const started: number[] = [];

beforeEach(() => {
  reaper = new ChildReaper();
});

afterEach(() => {
  reaper.close();
  for (const pid of started.splice(0)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it has ended, as most have
    }
  }
});

/**
 * Starts what an OCI runtime starts: a process whose parent exits at once. It does its work only when it is ours, since a shell,
 * unlike a runtime, would take the exit code of one that ends earlier.
 */
async function orphan(line: string): Promise<number> {
  const adopted = `until [ "$(cut -d" " -f4 /proc/$$/stat)" = ${process.pid} ]; do sleep 0.01; done`;
  const script = `sh -c '${adopted}; ${line}' >/dev/null 2>&1 & echo $!`;
  const result = await runProgram(findProgram("sh"), ["-c", script]);
  const pid = Number(result.stdout.toString());
  started.push(pid);
  return pid;
}

function state(pid: number): string | undefined {
  try {
    return /^State:\s+(\S)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

function parent(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

describe("orphans", () => {
  test("become ours, and their exit code is told", async () => {
    const pid = await orphan("sleep 0.2; exit 42");
    expect(parent(pid)).toBe(process.pid);
    expect(await reaper.watch(pid)).toEqual({ kind: "exited", exitCode: 42 });
    expect(state(pid)).toBeUndefined();
  });

  test("their signal, too, as 128 + its number", async () => {
    const pid = await orphan("sleep 60");
    const end = reaper.watch(pid);
    process.kill(pid, "SIGKILL");
    const status = await end;
    expect(status).toEqual({ kind: "killed", signal: 9 });
    expect(exitCodeOf(status)).toBe(137);
    expect(exitCodeOf({ kind: "exited", exitCode: 3 })).toBe(3);
  });

  test("an exit before the watch is not missed", async () => {
    const pid = await orphan("exit 7");
    await eventually(() => state(pid) === "Z");
    // Others come and go meanwhile; each makes the reaper look.
    await runProgram(findProgram("true"), []);
    expect(await reaper.watch(pid)).toEqual({ kind: "exited", exitCode: 7 });
  });

  test("twenty at once, each with its own code", async () => {
    const pids = await Promise.all(Array.from({ length: 20 }, (_, code) => orphan(`exit ${code}`)));
    const ends = await Promise.all(pids.map((pid) => reaper.watch(pid)));
    expect(ends.map(exitCodeOf)).toEqual(Array.from({ length: 20 }, (_, code) => code));
  });

  test("those that nobody asks for are buried after a while", async () => {
    reaper.close();
    reaper = new ChildReaper({ orphanGraceMs: 50 });
    const pid = await orphan("exit 1");
    await eventually(() => state(pid) === undefined);
    await expect(reaper.watch(pid)).rejects.toMatchObject({ code: "not-found" });
  });

  test("a process that is still another's child is watched until it is ours", async () => {
    const marker = path.join(temporaryDirectory(), "pid");
    const script = `sh -c "sleep 0.3; exit 5" >/dev/null 2>&1 & echo $! > ${marker}; exec sleep 0.1`;
    const parentEnds = runProgram(findProgram("sh"), ["-c", script]);
    await eventually(() => fs.existsSync(marker) && fs.readFileSync(marker, "utf8").endsWith("\n"));
    const pid = Number(fs.readFileSync(marker, "utf8"));
    started.push(pid);
    const end = reaper.watch(pid);
    await parentEnds;
    expect(await end).toEqual({ kind: "exited", exitCode: 5 });
  });
});

describe("Node's own children", () => {
  test("keep their exit codes while orphans die around them", async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, code) => {
        const pid = await orphan("exit 1");
        const [own, theirs] = await Promise.all([
          runProgram(findProgram("sh"), ["-c", `exit ${code}`]),
          reaper.watch(pid),
        ]);
        return [own.exitCode, exitCodeOf(theirs)];
      }),
    );
    expect(results).toEqual(Array.from({ length: 20 }, (_, code) => [code, 1]));
  });
});

describe("mistakes and ends", () => {
  test("a process that isn't there, and one watched twice", async () => {
    await expect(reaper.watch(4_194_303)).rejects.toMatchObject({ code: "not-found" });
    const pid = await orphan("sleep 60");
    const end = reaper.watch(pid);
    await expect(reaper.watch(pid)).rejects.toThrow(TypeError);
    process.kill(pid, "SIGTERM");
    expect(exitCodeOf(await end)).toBe(143);
  });

  test("closing ends the watches", async () => {
    const pid = await orphan("sleep 60");
    const end = reaper.watch(pid);
    reaper.close();
    await expect(end).rejects.toMatchObject({ code: "cancelled" });
    await expect(reaper.watch(pid)).rejects.toMatchObject({ code: "cancelled" });
  });
});
