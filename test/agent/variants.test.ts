import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { PodNetwork } from "../../guest/agent/dependencies.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { createPersistentNamespace, namespaceInode, removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { type FixtureOptions, GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, processRequest, sandboxId } from "./requests.ts";
import { exec, failure, readAll, run } from "./running.ts";

const crun = "/usr/bin/crun";
if (!existsSync(crun)) console.warn("tests with crun are skipped: it is not installed");

/** crun refuses hybrid control groups, so it gets a mount namespace without the version 2 part (spec/local-lab.md 7). */
function crunWithoutUnified(): string {
  const directory = mkdtempSync(join(tmpdir(), "pk-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "crun");
  const hide = "umount /sys/fs/cgroup/unified 2>/dev/null";
  writeFileSync(file, `#!/bin/sh\nexec unshare -m sh -c '${hide}; exec ${crun} "$@"' crun "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

describe.skipIf(whyNoContainers !== undefined)("the agent with other parts", () => {
  let guest: GuestFixture | undefined;
  async function start(options: FixtureOptions): Promise<GuestFixture> {
    guest = new GuestFixture(options);
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, hostname: "pod-1" });
    return guest;
  }
  afterEach(async () => {
    if (guest === undefined) return;
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
    guest = undefined;
  });

  test.skipIf(!existsSync(crun))("crun runs containers as runc does", async () => {
    const agent = await start({ runtimeProgram: crunWithoutUnified() });
    await run(agent, sandboxId, ["/pause"], { sandbox: true });
    await run(agent, "c1", ["sh", "-c", "hostname; echo err >&2; sleep 1000"]);
    expect(
      Buffer.from((await agent.call("ReadStdout", { container_id: "c1", exec_id: "", len: 99 })).data).toString(),
    ).toBe("pod-1\n");
    expect(await exec(agent, "c1", "e1", ["sh", "-c", "echo out; exit 4"])).toEqual({
      stdout: "out\n",
      stderr: "",
      status: 4,
    });
    const terminal = await exec(agent, "c1", "e2", ["sh", "-c", "tty"], { process: { Terminal: true } });
    expect(terminal.stdout).toContain("/dev/pts/");
    const missing = { container_id: "c1", exec_id: "e3", process: processRequest(["/no/such"]) };
    expect((await failure(agent.call("ExecProcess", missing))).message).toBe("the file /no/such was not found");
    await agent.call("PauseContainer", { container_id: "c1" });
    await agent.call("ResumeContainer", { container_id: "c1" });
    await agent.call("UpdateContainer", { container_id: "c1", resources: { Pids: { Limit: 99n } } });
    const { cgroup_stats: statistics } = await agent.call("StatsContainer", { container_id: "c1" });
    expect(statistics?.pids_stats?.limit).toBe(99n);
    await agent.call("SignalProcess", { container_id: "c1", exec_id: "", signal: 9 });
    expect(await agent.call("WaitProcess", { container_id: "c1", exec_id: "" })).toEqual({ status: 137 });
  });

  test("containers are in the pod's network namespace, whether the shim names it or not", async () => {
    const directory = mkdtempSync(join(tmpdir(), "pk-"));
    const namespace = join(directory, "podns");
    createPersistentNamespace("net", namespace);
    try {
      const agent = await start({ networkNamespace: namespace });
      const linux = (entries: { Type: string; Path?: string }[]) => ({ spec: { Linux: { Namespaces: entries } } });
      const own = ["sh", "-c", "ls -l /proc/self/ns/net"];
      await run(agent, "none", own, linux([]));
      await run(agent, "left", own, linux([{ Type: "network" }]));
      await run(agent, "both", own, linux([{ Type: "network" }, { Type: "network", Path: namespace }]));
      for (const id of ["none", "left", "both"]) {
        expect(await readAll(agent, id, "")).toContain(`net:[${namespaceInode(namespace)}]`);
      }
      const other = containerRequest(agent.paths, "other", own, linux([{ Type: "network", Path: "/proc/1/ns/net" }]));
      expect((await failure(agent.call("CreateContainer", other))).code).toBe("permission-denied");
    } finally {
      removePersistentNamespace(namespace);
      rmSync(directory, { recursive: true });
    }
  });

  const unsealer = {
    unsealSecret: async (secret: string) => {
      if (secret === "sealed.good") return Buffer.from("plain text");
      throw new GuestError("not-found", "no such secret");
    },
  };
  const sealed = { process: { Env: ["PATH=/bin", "GOOD=sealed.good", "BAD=sealed.bad", "PLAIN=not sealed.good"] } };

  test("sealed variables are opened; one that cannot be stays sealed", async () => {
    const agent = await start({ dependencies: { unsealer } });
    await run(agent, "c1", ["env"], sealed);
    const lines = (await readAll(agent, "c1", "")).split("\n");
    expect(lines).toEqual(expect.arrayContaining(["GOOD=plain text", "BAD=sealed.bad", "PLAIN=not sealed.good"]));
  });

  test("in strict mode it fails the container, naming the variable and not its value", async () => {
    const agent = await start({ dependencies: { unsealer }, settings: { strictUnsealing: true } });
    const { message } = await failure(
      agent.call("CreateContainer", containerRequest(agent.paths, "c1", ["env"], sealed)),
    );
    expect(message).toBe("sealed secret in BAD cannot be opened");
  });

  test("threat 55: files can be frozen when the workload starts", async () => {
    const agent = await start({ settings: { freezeFilesAfterStart: true } });
    const file = { path: join(agent.paths.sharedContainers, "f"), file_mode: 0o100644, dir_mode: 0o755 };
    await run(agent, sandboxId, ["/pause"], { sandbox: true });
    await agent.call("CopyFile", file);
    await run(agent, "c1", ["sleep", "1000"]);
    expect((await failure(agent.call("CopyFile", file))).code).toBe("failed-precondition");
  });

  test("V1, threat 54: what is copied in after the start reaches the running container", async () => {
    const agent = await start({});
    const volume = join(agent.paths.sharedContainers, "c1-0123456789abcdef-config");
    const deliver = async (stamp: string, content: string): Promise<void> => {
      const data = Buffer.from(content);
      const file = { file_mode: 0o100644, dir_mode: 0o755, file_size: BigInt(data.length), data };
      await agent.call("CopyFile", { ...file, path: `${volume}/..${stamp}/key` });
      const link = { file_mode: 0o120777, dir_mode: 0o755, data: Buffer.from(`..${stamp}`) };
      await agent.call("CopyFile", { ...link, path: `${volume}/..data` });
      await agent.call("CopyFile", { ...link, path: `${volume}/key`, data: Buffer.from("..data/key") });
    };
    await deliver("one", "old");
    const mounts = [{ destination: "/config", source: volume, type: "bind", options: ["rbind", "rprivate", "ro"] }];
    await run(agent, "c1", ["sleep", "1000"], { mounts });
    expect((await exec(agent, "c1", "e1", ["cat", "/config/key"])).stdout).toBe("old");
    await deliver("two", "new");
    expect((await exec(agent, "c1", "e2", ["cat", "/config/key"])).stdout).toBe("new");
    expect((await exec(agent, "c1", "e3", ["sh", "-c", "echo x > /config/y"])).stderr).toContain("Read-only");
    expect(readFileSync(join(volume, "key"), "utf8")).toBe("new");
  });

  test("a policy that refuses an exec leaves the container as it was", async () => {
    const agent = await start({
      refuse: ({ name }) =>
        name === "ExecProcess" ? new GuestError("permission-denied", "exec is not allowed") : undefined,
    });
    await run(agent, "c1", ["sh", "-c", "while read line; do echo got $line; done"]);
    const request = { container_id: "c1", exec_id: "e1", process: processRequest(["echo", "evil"]) };
    expect((await failure(agent.call("ExecProcess", request))).code).toBe("permission-denied");
    await agent.call("WriteStdin", { container_id: "c1", exec_id: "", data: Buffer.from("it\n") });
    const { data } = await agent.call("ReadStdout", { container_id: "c1", exec_id: "", len: 100 });
    expect(Buffer.from(data).toString()).toBe("got it\n");
    expect((await failure(agent.call("WaitProcess", { container_id: "c1", exec_id: "e1" }))).message).toBe(
      "InvalidExecId",
    );
  });

  test("the network's answers and failures keep the words that shims look for", async () => {
    const calls: unknown[] = [];
    const network: PodNetwork = {
      listInterfaces: async () => [{ name: "eth0", hwAddr: "AA:BB", mtu: 1500n }],
      updateInterface: async (wanted) => {
        calls.push(wanted.hwAddr);
        if (wanted.hwAddr === "none") throw new GuestError("internal", "Link not found (Address: none)");
      },
      listRoutes: async () => [{ dest: "0.0.0.0/0", gateway: "10.0.0.1" }],
      updateRoutes: async (routes) => void calls.push(routes.length),
      addNeighbors: async (neighbors) => void calls.push(neighbors.length),
    };
    const agent = await start({ dependencies: { network } });
    expect((await agent.call("ListInterfaces", {})).Interfaces).toMatchObject([{ name: "eth0", mtu: 1500n }]);
    expect(await agent.call("UpdateInterface", { interface: { hwAddr: "aa" } })).toMatchObject({ hwAddr: "aa" });
    expect(await failure(agent.call("UpdateInterface", { interface: { hwAddr: "none" } }))).toEqual({
      code: "internal",
      message: '"update interface: Link not found (Address: none)"',
    });
    expect((await agent.call("UpdateRoutes", { routes: { Routes: [{ dest: "1.2.3.0/24" }] } })).Routes).toHaveLength(1);
    await agent.call("AddARPNeighbors", { neighbors: { ARPNeighbors: [{ device: "eth0" }] } });
    expect(calls).toEqual(["aa", "none", 1, 1]);
    expect((await failure(agent.call("UpdateRoutes", {}))).message).toBe('"empty update routes request"');
    expect((await failure(agent.call("AddARPNeighbors", {}))).message).toBe('"empty add arp neighbours request"');
  });
});
