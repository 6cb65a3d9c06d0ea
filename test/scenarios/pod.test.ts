import { readdirSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { type EmbeddedKbs, startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { leftovers } from "../stack/leftovers.ts";
import { containerId, dataHubConfig, initdataWith, type Pod, policyWith, startPod } from "./pod-fixture.ts";

const agent = AgentService.methods;
const directoryMode = 0o040755;
const fileMode = 0o100644;
const linkMode = 0o120777;

describe.skipIf(getuid?.() !== 0)("a pod under a policy from initdata (needs root)", () => {
  let kbs: EmbeddedKbs;
  let pod: Pod;

  beforeAll(async () => {
    kbs = await startKbs({ resources: { "default/kbsres1/key3": "res3val1" } });
    const policy = policyWith(`
      default ReadStreamRequest := true
      default GetOOMEventRequest := true
      default ExecProcessRequest := false
      ExecProcessRequest if concat(" ", input.process.Args) in {"cat /proc/1/status", "cat /data/file"}
    `);
    const initdata = initdataWith({
      "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n`,
      "cdh.toml": dataHubConfig(kbs.url),
      "policy.rego": policy,
    });
    pod = await startPod({ initdata });
  }, 90_000);

  afterAll(async () => {
    const traces = pod && { directory: pod.stack.directory, cgroupParent: pod.stack.cgroupParent };
    await pod?.[Symbol.asyncDispose]();
    await kbs?.close();
    if (traces !== undefined) expect(leftovers(traces)).toEqual([]);
  }, 60_000);

  test("N4: sandbox, pause container and workload as an unmodified shim asks for them", async () => {
    const { status, stdout } = await pod.run(["/bin/echo", "hello"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "hello\n" });
  });

  test("N12: a container without limits has a cgroup of its own all the same", async () => {
    const id = await pod.start(["/bin/sleep", "60"]);
    const { cgroup_stats } = await pod.shim.client.call(agent.StatsContainer, { container_id: id });
    expect(cgroup_stats?.pids_stats?.current).toBe(1n);
    await pod.shim.removeContainer(id);
  });

  test("K1, V8: an init container fetches a secret into an emptyDir, the main container serves it", async () => {
    const emptyDir = `${pod.stack.stateDirectory}/shared/containers/${pod.shim.sandboxId}/rootfs/local/data`;
    const mounts = [{ destination: "/data", source: emptyDir, type: "local" }];
    const initId = containerId();
    await createWithEmptyDir(initId, emptyDir, [
      "/bin/sh",
      "-c",
      "wget -q -O /data/file http://127.0.0.1:8006/cdh/resource/default/kbsres1/key3",
    ]);
    await pod.shim.startContainer(initId);
    expect(await pod.shim.collect(initId, initId)).toMatchObject({ status: 0, stderr: "" });
    expect(await pod.run(["/bin/cat", "/data/file"], { mounts })).toMatchObject({ status: 0, stdout: "res3val1" });
    await pod.shim.removeContainer(initId);
  });

  test("K1: a secret that the broker refuses is an HTTP error with a text, not a hang", async () => {
    const url = "http://127.0.0.1:8006/cdh/resource/default/kbsres1/missing";
    const { status, stderr } = await pod.run(["/bin/wget", "-q", "-O", "-", url]);
    expect(status).toBe(1);
    expect(stderr).toContain("500");
  });

  test("P3: exec is refused in plain words and the container goes on", async () => {
    const id = await pod.start(["/bin/sleep", "60"]);
    await expect(pod.shim.exec(id, "e1", ["/bin/sh"])).rejects.toMatchObject({
      code: "permission-denied",
      message: '"ExecProcessRequest is blocked by policy: "',
    });
    const { cgroup_stats } = await pod.shim.client.call(agent.StatsContainer, { container_id: id });
    expect(cgroup_stats?.pids_stats?.current).toBe(1n);
    await pod.shim.removeContainer(id);
  });

  test("P3: the guest's log says which rule and literal refused", () => {
    const denial = pod.stack
      .output()
      .split("\n")
      .find((line) => line.includes("ExecProcessRequest"));
    expect(denial).toContain("data.agent_policy.ExecProcessRequest");
  });

  test("P5: a listed command runs, and the same words split in another way don't", async () => {
    const id = await pod.start(["/bin/sleep", "60"]);
    await pod.shim.exec(id, "listed", ["cat", "/proc/1/status"]);
    expect((await pod.shim.collect(id, "listed")).stdout).toContain("Name:");
    await expect(pod.shim.exec(id, "other", ["cat", "/etc/passwd"])).rejects.toMatchObject({
      code: "permission-denied",
    });
    await pod.shim.removeContainer(id);
  });

  test("P12: user, capabilities and no_new_privs are applied", async () => {
    const id = await pod.start(["/bin/sleep", "60"], { user: { uid: 1001, gid: 1001 }, noNewPrivileges: true });
    await pod.shim.exec(id, "status", ["cat", "/proc/1/status"], { user: { uid: 1001, gid: 1001 } });
    const { stdout } = await pod.shim.collect(id, "status");
    expect(stdout).toMatch(/^Uid:\s+1001\s+1001/m);
    expect(stdout).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(stdout).toMatch(/^CapEff:\s+0+$/m);
    await pod.shim.removeContainer(id);
  });

  test("V1: an update of a ConfigMap reaches the running container, its links replaced at once", async () => {
    const id = containerId();
    const volume = `${pod.stack.stateDirectory}/shared/containers/${id}-0123456789abcdef-config`;
    await copy(volume, directoryMode, "");
    await copyTimestamped(volume, "..2026_01", "old");
    await copy(join(volume, "file"), linkMode, "..data/file");
    await pod.start(["/bin/sleep", "60"], { id, mounts: [{ destination: "/data", source: volume }] });
    expect(await readData(id, "before")).toBe("old");
    await copyTimestamped(volume, "..2026_02", "new");
    expect(await readData(id, "after")).toBe("new");
    await pod.shim.removeContainer(id);
  });

  test("V2: the termination message can be read after the process ended", async () => {
    const id = containerId();
    const file = `${pod.stack.stateDirectory}/shared/containers/${id}-0123456789abcdef-termination-log`;
    await copy(file, fileMode, "");
    await pod.start(["/bin/sh", "-c", "echo finished > /dev/termination-log"], {
      id,
      mounts: [{ destination: "/dev/termination-log", source: file }],
      annotations: { "io.kubernetes.container.terminationMessagePath": "/dev/termination-log" },
    });
    await pod.shim.collect(id, id);
    const request = { container_id: id, log_type: "termination_log" };
    const { data } = await pod.shim.client.call(agent.GetDiagnosticData, request);
    expect(Buffer.from(data).toString()).toBe("finished\n");
    await pod.shim.removeContainer(id);
  });

  test("I6: the log has one line on what the initdata holds", () => {
    const line = pod.stack
      .output()
      .split("\n")
      .find((candidate) => candidate.includes("initdata verified"));
    expect(line).toMatch(/sha256:[0-9a-f]{64}; aa\.toml \(\d+ bytes\), cdh\.toml \(\d+ bytes\), policy\.rego/);
  });

  test("layers and bundles are where the configuration says", () => {
    expect(readdirSync(join(pod.stack.directory, "image")).length).toBeGreaterThan(0);
  });

  async function createWithEmptyDir(id: string, emptyDir: string, args: readonly string[]): Promise<void> {
    const mounts = [{ destination: "/data", source: emptyDir, type: "local" }];
    const storages = [
      { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mount_point: emptyDir },
    ];
    const container = { id, sandboxId: pod.shim.sandboxId, kind: "container", image: pod.image, args, mounts } as const;
    await pod.shim.createContainer(container, storages);
  }

  async function copyTimestamped(volume: string, version: string, content: string): Promise<void> {
    await copy(join(volume, version), directoryMode, "");
    await copy(join(volume, version, "file"), fileMode, content);
    await copy(join(volume, "..data"), linkMode, version);
  }

  async function copy(path: string, mode: number, content: string): Promise<void> {
    const data = Buffer.from(content);
    const size = mode === fileMode ? BigInt(data.length) : 0n;
    await pod.shim.client.call(agent.CopyFile, { path, file_size: size, file_mode: mode, dir_mode: 0o40750, data });
  }

  async function readData(id: string, execId: string): Promise<string> {
    await pod.shim.exec(id, execId, ["cat", "/data/file"]);
    return (await pod.shim.collect(id, execId)).stdout;
  }
});
