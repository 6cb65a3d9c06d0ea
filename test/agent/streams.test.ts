import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { processRequest, sandboxId } from "./requests.ts";
import { exec, failure, readAll, readUntil, run } from "./running.ts";

describe.skipIf(whyNoContainers !== undefined)("standard streams", () => {
  let guest: GuestFixture;
  beforeAll(async () => {
    guest = new GuestFixture();
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    await run(guest, "box", ["sleep", "1000"]);
  });
  afterAll(async () => {
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });

  const start = (execId: string, script: string, terminal = false): Promise<unknown> =>
    guest.call("ExecProcess", {
      container_id: "box",
      exec_id: execId,
      process: processRequest(["sh", "-c", script], { Terminal: terminal }),
    });
  const process = (execId: string) => ({ container_id: "box", exec_id: execId });

  test("output of a process that ended long before the first read is complete", async () => {
    await start("fast", "head -c 60000 /dev/zero; echo end >&2");
    await delay(300);
    expect(await readAll(guest, "box", "fast")).toHaveLength(60_000);
    expect(await readAll(guest, "box", "fast", "ReadStderr")).toBe("end\n");
    expect(await guest.call("WaitProcess", process("fast"))).toEqual({ status: 0 });
  });

  test("a process that prints more than its pipe holds waits for the reader and loses nothing", async () => {
    await start("long", "head -c 3000000 /dev/zero; echo done");
    const output = await readAll(guest, "box", "long");
    expect(output).toHaveLength(3_000_005);
    expect(output.endsWith("done\n")).toBe(true);
    await guest.call("WaitProcess", process("long"));
  });

  test("output stays readable after the exit was collected, then the process is forgotten", async () => {
    await start("late", "echo late");
    expect(await guest.call("WaitProcess", process("late"))).toEqual({ status: 0 });
    expect(await failure(guest.call("WaitProcess", process("late")))).toEqual({
      code: "not-found",
      message: "InvalidExecId",
    });
    expect(await readAll(guest, "box", "late")).toBe("late\n");
  });

  test("a descendant that holds the pipe does not keep the reader waiting", async () => {
    await start("parent", "sleep 60 & echo started");
    expect(await readAll(guest, "box", "parent")).toBe("started\n");
    expect(await readAll(guest, "box", "parent", "ReadStderr")).toBe("");
    expect(await guest.call("WaitProcess", process("parent"))).toEqual({ status: 0 });
  });

  test("concurrent reads get different bytes in order, and one that is given up takes none", async () => {
    await start("turns", "cat");
    const first = guest.call("ReadStdout", { ...process("turns"), len: 3 });
    const controller = new AbortController();
    const second = guest.call("ReadStdout", { ...process("turns"), len: 3 }, controller.signal);
    const third = guest.call("ReadStdout", { ...process("turns"), len: 100 });
    controller.abort(new GuestError("cancelled", "the connection was closed"));
    await guest.call("WriteStdin", { ...process("turns"), data: Buffer.from("abcdef") });
    expect(Buffer.from((await first).data).toString()).toBe("abc");
    expect((await failure(second)).code).toBe("cancelled");
    expect(Buffer.from((await third).data).toString()).toBe("def");
    await guest.call("CloseStdin", process("turns"));
    expect(await readAll(guest, "box", "turns")).toBe("");
    await guest.call("WaitProcess", process("turns"));
  });

  test("a read of no bytes answers at once", async () => {
    await start("none", "cat");
    expect((await guest.call("ReadStdout", { ...process("none"), len: 0 })).data).toHaveLength(0);
    await guest.call("SignalProcess", { ...process("none"), signal: 9 });
    expect(await guest.call("WaitProcess", process("none"))).toEqual({ status: 137 });
  });

  test("empty standard input is its end, closing it again is fine, writing after it is not", async () => {
    await start("ended", "cat; sleep 1000");
    expect(await guest.call("WriteStdin", { ...process("ended"), data: Buffer.from("x") })).toEqual({ len: 1 });
    expect(await guest.call("WriteStdin", { ...process("ended"), data: Buffer.alloc(0) })).toEqual({ len: 0 });
    await guest.call("CloseStdin", process("ended"));
    expect(await readUntil(guest, "box", "ended", "x")).toBe("x");
    expect(await failure(guest.call("WriteStdin", { ...process("ended"), data: Buffer.from("y") }))).toEqual({
      code: "internal",
      message: "Cannot get writer",
    });
    await guest.call("SignalProcess", { ...process("ended"), signal: 15 });
    expect(await guest.call("WaitProcess", process("ended"))).toEqual({ status: 143 });
  });

  test("writing to a process that has closed its input is a broken pipe", async () => {
    await start("closed", "exec 0<&-; echo closed; sleep 1000");
    await readUntil(guest, "box", "closed", "closed");
    expect(await failure(guest.call("WriteStdin", { ...process("closed"), data: Buffer.from("y") }))).toEqual({
      code: "internal",
      message: "Broken pipe (os error 32)",
    });
    await guest.call("SignalProcess", { ...process("closed"), signal: 9 });
    await guest.call("WaitProcess", process("closed"));
  });

  test("standard input of a process that does not read it is limited", async () => {
    await start("deaf", "sleep 1000");
    const writes = Array.from({ length: 5 }, () =>
      guest.call("WriteStdin", { ...process("deaf"), data: Buffer.alloc(2 * 1024 * 1024) }).then(
        () => "written",
        (error: GuestError) => error.code,
      ),
    );
    expect(await Promise.race(writes)).toBe("resource-exhausted");
    await guest.call("SignalProcess", { ...process("deaf"), signal: 9 });
    await guest.call("WaitProcess", process("deaf"));
    await Promise.all(writes);
  });

  test("a container can open its standard output again", async () => {
    expect(await exec(guest, "box", "reopen", ["sh", "-c", "echo again > /dev/stdout"])).toMatchObject({
      stdout: "again\n",
      status: 0,
    });
  });

  test("a terminal echoes, has the size that it is given, and its end is no error", async () => {
    await start("tty", "tty; read line; stty size; exit 4", true);
    await guest.call("TtyWinResize", { ...process("tty"), row: 33, column: 101 });
    await guest.call("WriteStdin", { ...process("tty"), data: Buffer.from("go\n") });
    const output = await readAll(guest, "box", "tty");
    expect(output).toContain("/dev/pts/");
    expect(output).toContain("33 101");
    expect(await readAll(guest, "box", "tty", "ReadStderr")).toBe("");
    expect(await guest.call("WaitProcess", process("tty"))).toEqual({ status: 4 });
  });

  test("the end of a terminal's input leaves its output to be read", async () => {
    await start("eot", "cat; echo after", true);
    await guest.call("WriteStdin", { ...process("eot"), data: Buffer.from("line\n") });
    await guest.call("CloseStdin", process("eot"));
    expect(await readAll(guest, "box", "eot")).toContain("after");
    await guest.call("WaitProcess", process("eot"));
  });

  test("a terminal that nobody reads from does not stop the agent", async () => {
    await start("raw", "stty raw -echo; echo ready; sleep 1000", true);
    await readUntil(guest, "box", "raw", "ready");
    const write = guest.call("WriteStdin", { ...process("raw"), data: Buffer.alloc(1024 * 1024, "x") }).then(
      () => "written",
      (error: GuestError) => error.code,
    );
    expect((await exec(guest, "box", "other", ["echo", "alive"])).stdout).toBe("alive\n");
    await guest.call("SignalProcess", { ...process("raw"), signal: 9 });
    await guest.call("WaitProcess", process("raw"));
    await write;
  });

  test("only a terminal has a size", async () => {
    expect(await failure(guest.call("TtyWinResize", { ...process("box"), row: 1, column: 1 }))).toEqual({
      code: "unavailable",
      message: '"no tty"',
    });
  });

  test("streams of what is not there", async () => {
    const missing = { container_id: "nobody", exec_id: "" };
    expect(await failure(guest.call("ReadStdout", { ...missing, len: 1 }))).toEqual({
      code: "invalid-argument",
      message: "InvalidContainerId",
    });
    expect(await failure(guest.call("ReadStderr", { ...process("nothing"), len: 1 }))).toEqual({
      code: "not-found",
      message: "InvalidExecId",
    });
    expect(await failure(guest.call("WriteStdin", { ...missing, data: Buffer.from("x") }))).toEqual({
      code: "internal",
      message: "Invalid container id",
    });
    expect(await failure(guest.call("WriteStdin", { ...process("nothing"), data: Buffer.from("x") }))).toEqual({
      code: "internal",
      message: "Process not found: invalid exec id",
    });
    expect((await failure(guest.call("CloseStdin", missing))).message).toBe("InvalidContainerId");
  });
});
