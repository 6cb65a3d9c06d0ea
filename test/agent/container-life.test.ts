import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, processRequest, sandboxId } from "./requests.ts";
import { exec, failure, readAll, readUntil, run } from "./running.ts";

describe.skipIf(whyNoContainers !== undefined)("life of a container", () => {
  let guest: GuestFixture;
  beforeEach(async () => {
    guest = new GuestFixture();
    await guest.call("CreateSandbox", { hostname: "pod-1", sandbox_id: sandboxId });
  });
  afterEach(async () => {
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });

  test("runs from creation to removal, with its output and exit status", async () => {
    await run(guest, "c1", ["sh", "-c", "echo out; echo err >&2; exit 3"]);
    expect(await readAll(guest, "c1", "c1")).toBe("out\n");
    expect(await readAll(guest, "c1", "", "ReadStderr")).toBe("err\n");
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "c1" })).toEqual({ status: 3 });
    await guest.call("RemoveContainer", { container_id: "c1" });
    expect(await failure(guest.call("RemoveContainer", { container_id: "c1" }))).toEqual({
      code: "internal",
      message: "Invalid container id",
    });
  });

  test("all who wait for a process get its status, later ones that it is not found", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const init = { container_id: "c1", exec_id: "" };
    const waiting = [guest.call("WaitProcess", init), guest.call("WaitProcess", { ...init, exec_id: "c1" })];
    await guest.call("SignalProcess", { ...init, signal: 9 });
    expect(await Promise.all(waiting)).toEqual([{ status: 137 }, { status: 137 }]);
    expect(await failure(guest.call("WaitProcess", init))).toEqual({
      code: "not-found",
      message: "InitProcessNotFound",
    });
    expect(await failure(guest.call("SignalProcess", { ...init, signal: 15 }))).toEqual({
      code: "not-found",
      message: "InitProcessNotFound",
    });
  });

  test("a wait that is given up can be made again", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const controller = new AbortController();
    const init = { container_id: "c1", exec_id: "" };
    const given = guest.call("WaitProcess", init, controller.signal);
    controller.abort(new Error("connection lost"));
    await expect(given).rejects.toThrow();
    await guest.call("SignalProcess", { ...init, signal: 9 });
    expect(await guest.call("WaitProcess", init)).toEqual({ status: 137 });
  });

  test("removal answers whoever waits for the exit first", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const order: string[] = [];
    const wait = guest.call("WaitProcess", { container_id: "c1", exec_id: "" }).then((response) => {
      order.push("exit");
      return response;
    });
    await guest.call("RemoveContainer", { container_id: "c1" }).then(() => order.push("removed"));
    expect(await wait).toEqual({ status: 137 });
    expect(order).toEqual(["exit", "removed"]);
  });

  test("SIGTERM ends a first process that has made no provision for it, and reaches one that has", async () => {
    await run(guest, "plain", ["sleep", "1000"]);
    await guest.call("SignalProcess", { container_id: "plain", exec_id: "plain", signal: 15 });
    expect(await guest.call("WaitProcess", { container_id: "plain", exec_id: "" })).toEqual({ status: 137 });

    await run(guest, "polite", ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"]);
    await readUntil(guest, "polite", "", "ready");
    await guest.call("SignalProcess", { container_id: "polite", exec_id: "", signal: 15 });
    expect(await guest.call("WaitProcess", { container_id: "polite", exec_id: "" })).toEqual({ status: 9 });
  });

  test("a signal to a process that has ended but was not waited for is no error", async () => {
    await run(guest, "c1", ["true"]);
    await readAll(guest, "c1", "");
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "c1", signal: 9 });
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "", signal: 9 });
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "" })).toEqual({ status: 0 });
  });

  test("a second start is an error and changes nothing", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    expect((await failure(guest.call("StartContainer", { container_id: "c1" }))).code).toBe("failed-precondition");
    expect((await exec(guest, "c1", "e1", ["echo", "alive"])).stdout).toBe("alive\n");
  });

  test("a second container of the same id is refused and the first lives on", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const again = containerRequest(guest.paths, "c1", ["true"]);
    expect((await failure(guest.call("CreateContainer", again))).code).toBe("already-exists");
    expect((await exec(guest, "c1", "e1", ["echo", "alive"])).stdout).toBe("alive\n");
    const both = [1, 2].map(() => guest.call("CreateContainer", containerRequest(guest.paths, "c2", ["true"])));
    const results = await Promise.allSettled(both);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("exec ids are free again once the exit was collected, the container's own never is while it runs", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    await guest.call("ExecProcess", { container_id: "c1", exec_id: "e1", process: processRequest(["sleep", "1000"]) });
    const taken = { container_id: "c1", exec_id: "e1", process: processRequest(["true"]) };
    expect(await failure(guest.call("ExecProcess", taken))).toEqual({
      code: "internal",
      message: "exec_id 'e1' already exists",
    });
    expect((await failure(guest.call("ExecProcess", { ...taken, exec_id: "c1" }))).message).toBe(
      "exec_id 'c1' already exists",
    );
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "e1", signal: 9 });
    await guest.call("WaitProcess", { container_id: "c1", exec_id: "e1" });
    expect((await exec(guest, "c1", "e1", ["echo", "again"])).stdout).toBe("again\n");
  });

  test("no descriptor stays open for processes that have come and gone", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const open = (): number => readdirSync("/proc/self/fd").length;
    await exec(guest, "c1", "e0", ["true"]);
    const before = open();
    for (let index = 1; index <= 5; index++) {
      await exec(guest, "c1", "e1", ["echo", "x"]);
      await exec(guest, "c1", "e2", ["tty"], { process: { Terminal: true } });
      await failure(
        guest.call("ExecProcess", { container_id: "c1", exec_id: "e3", process: processRequest(["/no/such"]) }),
      );
    }
    await expect.poll(open).toBeLessThanOrEqual(before);
  });

  test("a program that is not there is named", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const missing = { container_id: "c1", exec_id: "e1", process: processRequest(["/no/such"]) };
    expect(await failure(guest.call("ExecProcess", missing))).toEqual({
      code: "internal",
      message: "the file /no/such was not found",
    });
    expect(await failure(guest.call("CreateContainer", containerRequest(guest.paths, "c2", ["nope"])))).toEqual({
      code: "internal",
      message: "the file nope was not found",
    });
    // Its id and everything else is free again.
    await run(guest, "c2", ["true"]);
  });

  test("an exec has the container's capabilities unless it names its own", async () => {
    const none = { Bounding: [], Effective: [], Inheritable: [], Permitted: [], Ambient: [] };
    const chown = { ...none, Bounding: ["CAP_CHOWN"], Effective: ["CAP_CHOWN"], Permitted: ["CAP_CHOWN"] };
    await run(guest, "c1", ["sleep", "1000"], { process: { Capabilities: chown } });
    const effective = ["sh", "-c", "while read k v; do test $k = CapEff: && echo $v; done < /proc/self/status"];
    expect((await exec(guest, "c1", "e1", effective)).stdout).toBe("0000000000000001\n");
    expect((await exec(guest, "c1", "e2", effective, { process: { Capabilities: none } })).stdout).toBe(
      "0000000000000000\n",
    );
  });

  test("P12: a restricted security context is applied", async () => {
    const none = { Bounding: [], Effective: [], Inheritable: [], Permitted: [], Ambient: [] };
    await run(guest, "c1", ["sh", "-c", "id -u; id -g; cat /proc/self/status; mount; kill -0 1 && echo killed"], {
      process: {
        User: { UID: 1001, GID: 1002, AdditionalGids: [1003] },
        NoNewPrivileges: true,
        Capabilities: none,
        Rlimits: [{ Type: "RLIMIT_NOFILE", Hard: 256n, Soft: 128n }],
      },
      spec: {
        Linux: {
          Namespaces: [],
          Seccomp: {
            DefaultAction: "SCMP_ACT_ALLOW",
            Architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            Syscalls: [{ Names: ["kill"], Action: "SCMP_ACT_ERRNO", errnoret: 1 }],
          },
        },
      },
    });
    const output = await readAll(guest, "c1", "");
    expect(output).toMatch(/^1001\n1002\n/);
    expect(output).toMatch(/^Groups:\s+1003/m);
    expect(output).toMatch(/^CapBnd:\s+0000000000000000$/m);
    expect(output).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(output).toMatch(/^Seccomp:\s+2$/m);
    expect(output).not.toContain("killed");
  });

  test("a container that was paused before its start can be started afterwards", async () => {
    await guest.call("CreateContainer", containerRequest(guest.paths, "c1", ["echo", "started"]));
    await guest.call("PauseContainer", { container_id: "c1" });
    await guest.call("ResumeContainer", { container_id: "c1" });
    await guest.call("StartContainer", { container_id: "c1" });
    expect(await readAll(guest, "c1", "")).toBe("started\n");
  });

  test("a container whose first process ends while it is being paused is stopped, not paused", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    await guest.call("PauseContainer", { container_id: "c1" });
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "", signal: 9 });
    await guest.call("WaitProcess", { container_id: "c1", exec_id: "" });
    expect((await failure(guest.call("ResumeContainer", { container_id: "c1" }))).message).toBe(
      "container status is: Stopped, not paused",
    );
  });

  test.each([2_147_484, 0xffff_ffff])("a removal may be given %i seconds", async (timeout) => {
    await run(guest, "c1", ["sleep", "1000"]);
    await guest.call("RemoveContainer", { container_id: "c1", timeout });
  });

  test("a paused container stands still, answers nothing, and can be killed", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    await guest.call("PauseContainer", { container_id: "c1" });
    expect((await failure(guest.call("PauseContainer", { container_id: "c1" }))).message).toBe(
      "failed to pause container: current status is: Paused",
    );
    await guest.call("ResumeContainer", { container_id: "c1" });
    expect((await failure(guest.call("ResumeContainer", { container_id: "c1" }))).message).toBe(
      "container status is: Running, not paused",
    );
    expect((await exec(guest, "c1", "e1", ["echo", "alive"])).stdout).toBe("alive\n");
    await guest.call("PauseContainer", { container_id: "c1" });
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "", signal: 9 });
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "" })).toEqual({ status: 137 });
  });

  test("N12: a container without limits has a control group of its own; limits can be set later", async () => {
    await run(guest, "c1", ["sleep", "1000"]);
    const before = await guest.call("StatsContainer", { container_id: "c1" });
    expect(before.cgroup_stats?.pids_stats).toEqual({ current: 1n, limit: 0n });
    expect(before.cgroup_stats?.memory_stats?.usage?.usage).toBeGreaterThan(0n);
    expect(before.cgroup_stats?.cpu_stats?.cpu_usage?.total_usage).toBeGreaterThan(0n);
    await guest.call("UpdateContainer", {
      container_id: "c1",
      resources: { Pids: { Limit: 50n }, CPU: { Shares: 512n } },
    });
    const after = await guest.call("StatsContainer", { container_id: "c1" });
    expect(after.cgroup_stats?.pids_stats).toMatchObject({ limit: 50n });
    await guest.call("UpdateContainer", { container_id: "c1" });
    const unknown = { code: "invalid-argument", message: '"invalid container id"' };
    expect(await failure(guest.call("StatsContainer", { container_id: "c9" }))).toEqual(unknown);
    expect(await failure(guest.call("UpdateContainer", { container_id: "c9" }))).toEqual(unknown);
    expect(await failure(guest.call("PauseContainer", { container_id: "c9" }))).toEqual(unknown);
  });

  test("a container that uses more memory than it may is killed and reported", async () => {
    const event = guest.call("GetOOMEvent", {});
    await run(guest, "hungry", ["sh", "-c", "x=$(yes | head -c 200000000); echo survived"], {
      spec: { Linux: { Namespaces: [], Resources: { Memory: { Limit: 20_000_000n } } } },
    });
    expect(await event).toEqual({ container_id: "hungry" });
    expect(await readAll(guest, "hungry", "")).toBe("");
    await guest.call("WaitProcess", { container_id: "hungry", exec_id: "" });
  });

  test("the pause container runs the program of the pause bundle, whatever the host asks for", async () => {
    await run(guest, sandboxId, ["/host/choice"], { sandbox: true });
    const { stdout } = await exec(guest, sandboxId, "e1", ["/busybox", "ps"]);
    expect(stdout).toContain("/busybox sh -c trap");
    expect(stdout).not.toContain("/host/choice");
    await guest.call("SignalProcess", { container_id: sandboxId, exec_id: sandboxId, signal: 15 });
    expect(await guest.call("WaitProcess", { container_id: sandboxId, exec_id: sandboxId })).toEqual({ status: 0 });
  });

  test("containers share the sandbox's host name and, if asked, the first one's processes", async () => {
    await run(guest, sandboxId, [], { sandbox: true, process: { Args: ["/pause"] } });
    await run(guest, "c1", ["sh", "-c", "hostname; ps"], { request: { sandbox_pidns: true } });
    const shared = await readAll(guest, "c1", "");
    expect(shared).toMatch(/^pod-1\n/);
    expect(shared).toContain("/busybox sh -c trap");
    await run(guest, "c2", ["ps"], {});
    expect(await readAll(guest, "c2", "")).not.toContain("/busybox sh");
    await guest.call("SignalProcess", { container_id: sandboxId, exec_id: "", signal: 9 });
    await guest.call("WaitProcess", { container_id: sandboxId, exec_id: "" });
    const late = containerRequest(guest.paths, "c3", ["ps"], { request: { sandbox_pidns: true } });
    expect((await failure(guest.call("CreateContainer", late))).message).toBe("Sandbox does not have sandbox_pidns");
  });
});
