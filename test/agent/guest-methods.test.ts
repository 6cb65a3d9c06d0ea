import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgentService } from "../../guest/agent/agent-service.ts";
import { onlineCpus, onlineMemory } from "../../guest/agent/online-resources.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { readMountTable } from "../../guest/sys/mount.ts";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { sandboxId } from "./requests.ts";
import { failure, run } from "./running.ts";

describe.skipIf(whyNoContainers !== undefined)("methods of the guest", () => {
  let guest: GuestFixture;
  const policies: string[] = [];
  beforeAll(async () => {
    guest = new GuestFixture({
      dependencies: {
        policy: {
          setPolicy: (text) => {
            if (text === "bad") throw new GuestError("invalid-argument", "no policy");
            policies.push(text);
          },
        },
      },
    });
    const mount_point = join(guest.paths.sandboxStorage, "ephemeral/cache");
    const storages = [{ driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options: ["size=1m"], mount_point }];
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, storages });
  });
  afterAll(async () => {
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });
  const cache = () => join(guest.paths.sandboxStorage, "ephemeral/cache");

  test("every method of the service has a handler", () => {
    const registered = Object.keys(AgentService.methods).sort();
    const handlers = createAgentService({ ...guest.dependencies }).agent;
    expect(Object.keys(handlers).sort()).toEqual(registered);
  });

  test("GetGuestDetails", async () => {
    const details = await guest.call("GetGuestDetails", { mem_block_size: true, mem_hotplug_probe: true });
    expect(details.agent_details).toMatchObject({ version: "4.1.0", init_daemon: false, supports_seccomp: true });
    expect(details.agent_details?.storage_handlers).toEqual([
      "image_guest_pull",
      "ephemeral",
      "local",
      "bind",
      "overlayfs",
      "watchable-bind",
    ]);
    expect(details.agent_details?.extra_features).toContain("agent-policy");
  });

  test("GetMetrics is Prometheus text with the reference's names", async () => {
    await guest.call("GetMetrics", {});
    const { metrics } = await guest.call("GetMetrics", {});
    expect(metrics).toMatch(/^kata_agent_scrape_count 2$/m);
    expect(metrics).toMatch(/^kata_agent_total_rss [1-9]\d+$/m);
    expect(metrics).toMatch(/^kata_guest_load\{item="load1"\} [\d.]+$/m);
    expect(metrics).toMatch(/^kata_guest_cpu_time\{cpu="total",item="user"\} \d+$/m);
    expect(metrics).toMatch(/^kata_guest_meminfo\{item="mem_total"\} [1-9]\d+$/m);
    expect(metrics).toMatch(/^kata_guest_netdev_stat\{interface="lo",item="recv_bytes"\} \d+$/m);
    for (const line of metrics.trimEnd().split("\n")) {
      expect(line).toMatch(/^(?:# (?:HELP|TYPE) \S+ .+|\w+(?:\{(?:\w+="[^"]*",?)+\})? -?[\d.e+]+)$/);
    }
  });

  test("SetPolicy hands the text over and passes its refusal on", async () => {
    await guest.call("SetPolicy", { policy: "package agent_policy" });
    expect(policies).toEqual(["package agent_policy"]);
    expect((await failure(guest.call("SetPolicy", { policy: "bad" }))).code).toBe("invalid-argument");
  });

  test("threat 62: the clock cannot be set once there is a sandbox", async () => {
    expect((await failure(guest.call("SetGuestDateTime", { Sec: 0n }))).code).toBe("failed-precondition");
  });

  test("threat 63: entropy of the host is mixed in, not nothing and not too much", async () => {
    await guest.call("ReseedRandomDev", { data: Buffer.from("host's bytes") });
    expect((await failure(guest.call("ReseedRandomDev", {}))).message).toBe("missing entropy data");
    expect((await failure(guest.call("ReseedRandomDev", { data: Buffer.alloc(5000) }))).code).toBe("invalid-argument");
  });

  test.each([
    ["threat 64", "AddSwap", "unimplemented"],
    ["threat 64", "AddSwapPath", "unimplemented"],
    ["threat 65", "GetIPTables", "unimplemented"],
    ["threat 65", "SetIPTables", "unimplemented"],
    ["threat 69", "MemHotplugByProbe", "unimplemented"],
    ["threat 69", "MemAgentMemcgSet", "internal"],
    ["threat 69", "MemAgentCompactSet", "internal"],
    ["threat 70", "ResizeVolume", "unimplemented"],
  ] as const)("%s: %s is refused", async (_row, method, code) => {
    expect((await failure(guest.call(method, {}))).code).toBe(code);
  });

  test("without a network of its own the agent answers UNIMPLEMENTED, which shims tolerate", async () => {
    for (const method of ["ListInterfaces", "ListRoutes"] as const) {
      expect((await failure(guest.call(method, {}))).code).toBe("unimplemented");
    }
    expect(await failure(guest.call("UpdateInterface", {}))).toEqual({
      code: "invalid-argument",
      message: '"empty update interface request"',
    });
  });

  test("RemoveStaleVirtiofsShareMounts succeeds: there is nothing stale without virtio-fs", async () => {
    expect(await guest.call("RemoveStaleVirtiofsShareMounts", {})).toEqual({});
  });

  test("GetVolumeStats tells of a volume", async () => {
    const { usage, volume_condition: condition } = await guest.call("GetVolumeStats", { volume_guest_path: cache() });
    expect(usage[0]).toMatchObject({ unit: 1, total: 1024n * 1024n, used: 0n });
    expect(usage[1]?.unit).toBe(2);
    expect(condition).toEqual({ abnormal: false, message: "OK" });
  });

  test.each(["/etc/shadow", "/", "", "../x", "$shared/../../../etc", "$shared", "$shared/link", "$shared/link/shadow"])(
    "threat 67: GetVolumeStats says nothing of %j",
    async (pattern) => {
      const { sharedContainers } = guest.paths;
      mkdirSync(sharedContainers, { recursive: true });
      try {
        symlinkSync("/etc", join(sharedContainers, "link"));
      } catch {
        // Planted by the case before.
      }
      const path = pattern.replace("$shared", sharedContainers);
      expect((await failure(guest.call("GetVolumeStats", { volume_guest_path: path }))).code).toBe("permission-denied");
    },
  );

  test("threat 70: only the sandbox's own memory volumes change, and only in size", async () => {
    const storage = {
      driver: "ephemeral",
      source: "tmpfs",
      fstype: "tmpfs",
      options: ["size=2m"],
      mount_point: cache(),
    };
    await guest.call("UpdateEphemeralMounts", { storages: [storage] });
    const entry = readMountTable().find(({ mountPoint }) => mountPoint === cache());
    expect(entry?.superOptions).toContain("size=2048k");
    expect(entry?.options).toEqual(expect.arrayContaining(["nosuid", "nodev"]));
    const update = (more: object) =>
      failure(guest.call("UpdateEphemeralMounts", { storages: [{ ...storage, ...more }] }));
    expect((await update({ driver: "local" })).message).toBe(
      '"Failed to update mounts: Unsupported storage type for syncing mounts local"',
    );
    expect((await update({ mount_point: "/tmp" })).code).toBe("permission-denied");
    expect((await update({ mount_point: join(guest.paths.sandboxStorage, "other") })).code).toBe("permission-denied");
    for (const option of ["exec", "suid", "dev", "bind", "remount", "size=2m,exec"]) {
      expect((await update({ options: [option] })).code).toBe("permission-denied");
    }
  });

  test("V2: the termination message of a container, after its end and before its removal", async () => {
    const log = join(guest.paths.sharedContainers, "c1-0123456789abcdef-termination-log");
    const file = { path: log, file_mode: 0o100666, dir_mode: 0o750 };
    await guest.call("CopyFile", file);
    const annotations = {
      "io.kubernetes.cri.container-type": "container",
      "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
    };
    const mounts = [
      { destination: "/dev/termination-log", source: log, type: "bind", options: ["rbind", "rprivate", "rw"] },
    ];
    const script = "echo went wrong > /dev/termination-log; exit 1";
    const spec = { Annotations: annotations };
    await run(guest, "c1", ["sh", "-c", script], { mounts, spec });
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "" })).toEqual({ status: 1 });
    const request = { log_type: "termination_log", container_id: "c1" };
    expect(await guest.call("GetDiagnosticData", request)).toEqual({ data: "went wrong\n" });
    writeFileSync(log, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(10_000, "x")]));
    const { data } = await guest.call("GetDiagnosticData", request);
    expect(data).toBe(`\ufffd\ufffd${"x".repeat(4094)}`);
    await guest.call("RemoveContainer", { container_id: "c1" });
    expect((await failure(guest.call("GetDiagnosticData", request))).message).toBe("Invalid container id: c1");
    expect(await failure(guest.call("GetDiagnosticData", { ...request, log_type: "journal" }))).toEqual({
      code: "invalid-argument",
      message: '"unsupported diagnostic log_type: journal"',
    });
  });

  test("GetDiagnosticData needs the annotation and a mount that goes with it", async () => {
    await run(guest, "c2", ["sleep", "1000"]);
    const request = { log_type: "termination_log", container_id: "c2" };
    expect((await failure(guest.call("GetDiagnosticData", request))).message).toBe(
      "No terminationMessagePath annotation",
    );
    await guest.call("RemoveContainer", { container_id: "c2" });
    const annotation = { "io.kubernetes.container.terminationMessagePath": "/etc/shadow" };
    await run(guest, "c2", ["sleep", "1000"], { spec: { Annotations: annotation } });
    expect((await failure(guest.call("GetDiagnosticData", request))).message).toBe(
      "termination message mount not found for /etc/shadow",
    );
  });

  test("threat 67: what containers keep in volumes is no termination message, wherever it is mounted", async () => {
    const { sharedContainers, sandboxStorage } = guest.paths;
    const emptyDir = join(sharedContainers, sandboxId, "rootfs/local/keys");
    mkdirSync(emptyDir, { recursive: true });
    const annotation = { "io.kubernetes.container.terminationMessagePath": "/dev/termination-log" };
    for (const directory of [emptyDir, join(sandboxStorage, "ephemeral/cache")]) {
      const source = join(directory, "key");
      writeFileSync(source, "a container's secret");
      const mounts = [{ destination: "/dev/termination-log", source, type: "bind", options: ["rbind"] }];
      await run(guest, "c3", ["sleep", "1000"], { mounts, spec: { Annotations: annotation } });
      const request = { log_type: "termination_log", container_id: "c3" };
      expect((await failure(guest.call("GetDiagnosticData", request))).code).toBe("permission-denied");
      await guest.call("RemoveContainer", { container_id: "c3" });
    }
  });

  test("OnlineCPUMem", async () => {
    await guest.call("OnlineCPUMem", { nb_cpus: 1, cpu_only: true });
    expect((await failure(guest.call("OnlineCPUMem", { nb_cpus: 100_000 }))).code).toBe("invalid-argument");
  });

  test("CPUs and memory blocks are switched on in order, no more than asked for", async () => {
    const directory = join(guest.root, "cpus");
    for (const cpu of [0, 1, 2, 10]) mkdirSync(join(directory, `cpu${cpu}`), { recursive: true });
    mkdirSync(join(directory, "cpufreq"));
    for (const cpu of [1, 2, 10]) writeFileSync(join(directory, `cpu${cpu}/online`), "0");
    await onlineCpus(3, new AbortController().signal, directory);
    const state = (cpu: number) => readFileSync(join(directory, `cpu${cpu}/online`), "utf8");
    expect([1, 2, 10].map(state)).toEqual(["1", "1", "0"]);
    mkdirSync(join(directory, "memory7"));
    writeFileSync(join(directory, "memory7/online"), "0");
    onlineMemory(directory);
    expect(readFileSync(join(directory, "memory7/online"), "utf8")).toBe("1");
    onlineMemory(join(directory, "missing"));
  });
});
