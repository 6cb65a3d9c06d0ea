import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { OciRuntime } from "../../guest/runtime/oci-runtime.ts";
import { readMountTable } from "../../guest/sys/mount.ts";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, sandboxId } from "./requests.ts";
import { exec, failure, readAll, run } from "./running.ts";

describe.skipIf(whyNoContainers !== undefined)("the sandbox", () => {
  let guest: GuestFixture;
  beforeEach(() => {
    guest = new GuestFixture();
  });
  afterEach(async () => {
    await guest.call("DestroySandbox", {}).catch(() => {
      // Most tests have done it, or never had one.
    });
    expect(await guest.close()).toEqual([]);
  });

  const shm = () => ({
    driver: "ephemeral",
    source: "shm",
    fstype: "tmpfs",
    options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
    mount_point: join(guest.paths.sandboxStorage, "shm"),
  });

  test("threat 35: a second CreateSandbox is refused and harms nothing", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, storages: [shm()] });
    await run(guest, "c1", ["sleep", "1000"]);
    writeFileSync(join(guest.paths.sandboxStorage, "shm/kept"), "kept");
    const second = guest.call("CreateSandbox", { sandbox_id: "another", hostname: "other" });
    expect((await failure(second)).code).toBe("already-exists");
    expect(readFileSync(join(guest.paths.sandboxStorage, "shm/kept"), "utf8")).toBe("kept");
    expect((await exec(guest, "c1", "e1", ["echo", "alive"])).stdout).toBe("alive\n");
  });

  test("threats 33, 34: guest hooks and kernel modules are refused", async () => {
    const hooks = guest.call("CreateSandbox", { guest_hook_path: "/usr/share/oci/hooks" });
    expect((await failure(hooks)).code).toBe("permission-denied");
    for (const name of ["-C", "../x", "loop", ""]) {
      const modules = guest.call("CreateSandbox", { kernel_modules: [{ name, parameters: [] }] });
      expect((await failure(modules)).code).toBe("permission-denied");
    }
    expect(readdirSync(guest.paths.namespaces)).toEqual([]);
  });

  test("a host name that the shim has cut at 64 characters may end in a dot or a hyphen", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, hostname: `${"a".repeat(63)}-` });
    await run(guest, "c1", ["hostname"]);
    expect(await readAll(guest, "c1", "")).toBe(`${"a".repeat(63)}-\n`);
  });

  test.each([
    [{ hostname: "a".repeat(65) }],
    [{ hostname: "pod\nevil" }],
    [{ hostname: "-pod" }],
    [{ sandbox_id: "../x" }],
    [{ sandbox_id: "a" }],
    [{ dns: ["nameserver 10.0.0.1\nnameserver 6.6.6.6"] }],
    [{ dns: ["nameserver \0"] }],
    [{ dns: ["x".repeat(5000)] }],
    [{ dns: Array.from({ length: 1000 }, () => "nameserver 1.1.1.1") }],
  ])("threat 36: malformed names and resolver lines are refused (%#)", async (request) => {
    expect((await failure(guest.call("CreateSandbox", request))).code).toBe("invalid-argument");
  });

  test("a sandbox that fails leaves nothing and can be tried again", async () => {
    const bad = { ...shm(), mount_point: "/etc" };
    expect((await failure(guest.call("CreateSandbox", { storages: [shm(), bad] }))).code).toBe("permission-denied");
    expect(readdirSync(guest.paths.namespaces)).toEqual([]);
    expect(existsSync(shm().mount_point)).toBe(false);
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, storages: [shm()] });
  });

  test("shared memory has the size that was asked for, and is never executable or with devices", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, storages: [shm()] });
    const entry = readMountTable().find(({ mountPoint }) => mountPoint === shm().mount_point);
    expect(entry?.options).toEqual(expect.arrayContaining(["nosuid", "nodev", "noexec"]));
    expect(entry?.superOptions).toContain("size=65536k");
    expect(lstatSync(shm().mount_point).mode & 0o7777).toBe(0o1777);
    const mounts = [{ destination: "/dev/shm", source: shm().mount_point, type: "bind", options: ["rbind"] }];
    await run(guest, "c1", ["sh", "-c", "echo shared > /dev/shm/x"], { mounts });
    await guest.call("WaitProcess", { container_id: "c1", exec_id: "" });
    expect(readFileSync(join(shm().mount_point, "x"), "utf8")).toBe("shared\n");
  });

  test("V8: an emptyDir outlives the init container that fills it, with its group", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    const disk = join(guest.paths.sharedContainers, sandboxId, "rootfs/local/data");
    const memory = join(guest.paths.sandboxStorage, "ephemeral/cache");
    const storages = [
      { driver: "local", source: "local", fstype: "local", options: ["mode=0777", "fsgid=2000"], mount_point: disk },
      { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options: ["fsgid=2000"], mount_point: memory },
    ];
    const mounts = [
      { destination: "/data", source: disk, type: "local", options: ["rbind", "rprivate", "rw"] },
      { destination: "/cache", source: memory, type: "bind", options: ["rbind", "rw"] },
    ];
    const request = (id: string, script: string) => {
      const base = containerRequest(guest.paths, id, ["sh", "-c", script], {
        process: { User: { UID: 1001, GID: 2000 } },
      });
      return {
        ...base,
        storages: [...storages, ...(base.storages ?? [])],
        OCI: { ...base.OCI, Mounts: [...(base.OCI?.Mounts ?? []), ...mounts] },
      };
    };
    await guest.call("CreateContainer", request("init", "echo one > /data/x; echo two > /cache/x"));
    await guest.call("StartContainer", { container_id: "init" });
    await guest.call("WaitProcess", { container_id: "init", exec_id: "" });
    await guest.call("RemoveContainer", { container_id: "init" });

    // A container that fails must not take the volumes of others along.
    const failing = request("fails", "");
    const broken = { ...failing, OCI: { ...failing.OCI, Process: { ...failing.OCI?.Process, Args: ["/nope"] } } };
    expect((await failure(guest.call("CreateContainer", broken))).message).toContain("was not found");

    await guest.call("CreateContainer", request("app", "cat /data/x /cache/x; ls -ln /data/x"));
    await guest.call("StartContainer", { container_id: "app" });
    const output = await readAll(guest, "app", "");
    expect(output).toMatch(/^one\ntwo\n/);
    expect(output).toMatch(/1001\s+2000/);
    // Another kind of storage at the same place is not a second user of it.
    const other = request("other", "true");
    const [first, ...rest] = other.storages;
    const changed = { ...other, storages: [{ ...first, options: ["mode=0700"] }, ...rest] };
    expect((await failure(guest.call("CreateContainer", changed))).code).toBe("permission-denied");
  });

  test("threat 71: one sandbox a boot; what it had is gone and it does not come back", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId, storages: [shm()] });
    await run(guest, sandboxId, ["/pause"], { sandbox: true });
    await run(guest, "c1", ["sh", "-c", "sleep 1000 & sleep 1000"]);
    await guest.call("ExecProcess", {
      container_id: "c1",
      exec_id: "e1",
      process: { User: { UID: 0, GID: 0 }, Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" },
    });
    await guest.call("PauseContainer", { container_id: "c1" });
    const oom = failure(guest.call("GetOOMEvent", {}));
    const wait = guest.call("WaitProcess", { container_id: "c1", exec_id: "e1" });
    await guest.call("DestroySandbox", {});
    expect(await oom).toEqual({ code: "internal", message: '""' });
    expect(await wait).toEqual({ status: 137 });
    await new Promise(setImmediate);
    expect(guest.destroyed).toBe(1);
    expect(await failure(guest.call("DestroySandbox", {}))).toEqual({
      code: "internal",
      message: '"failed to get sandbox sender channel"',
    });
    expect((await failure(guest.call("CreateSandbox", { sandbox_id: sandboxId }))).code).toBe("already-exists");
    expect((await failure(guest.call("CreateContainer", containerRequest(guest.paths, "c2", ["true"])))).code).toBe(
      "failed-precondition",
    );
  });

  test("threat 71: a sandbox of which something could not be taken away says so and ends all the same", async () => {
    class StuckRuntime extends OciRuntime {
      override async delete(id: string, bundle: string): Promise<void> {
        await super.delete(id, bundle);
        throw new GuestError("internal", "it is stuck");
      }
    }
    const stateDirectory = join(guest.root, "state-of-stuck");
    const stuck = new GuestFixture({
      dependencies: { runtime: new StuckRuntime({ program: "/usr/sbin/runc", stateDirectory }) },
    });
    await stuck.call("CreateSandbox", { sandbox_id: sandboxId });
    await run(stuck, "c1", ["sleep", "1000"]);
    expect(await failure(stuck.call("DestroySandbox", {}))).toEqual({
      code: "internal",
      message: "the container could not be removed completely",
    });
    expect((await failure(stuck.call("DestroySandbox", {}))).code).toBe("internal");
    await new Promise(setImmediate);
    expect(stuck.destroyed).toBe(1);
    expect(await stuck.close()).toEqual([]);
  });

  test("a container that is being made when the sandbox ends goes with it", async () => {
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    const creation = guest.call("CreateContainer", containerRequest(guest.paths, "c1", ["true"])).then(
      () => "created",
      () => "failed",
    );
    await guest.call("DestroySandbox", {});
    expect(["created", "failed"]).toContain(await creation);
  });

  test("there is no container without a sandbox", async () => {
    const request = containerRequest(guest.paths, "c1", ["true"]);
    expect((await failure(guest.call("CreateContainer", request))).code).toBe("failed-precondition");
    expect((await failure(guest.call("DestroySandbox", {}))).code).toBe("internal");
  });

  test("events that nobody waits for are kept in order; a caller that has gone gets none", async () => {
    const { OomEvents } = await import("../../guest/agent/oom-events.ts");
    const events = new OomEvents();
    for (let index = 0; index < 150; index++) events.push(`c${index}`);
    const { signal } = new AbortController();
    expect(await events.next(signal)).toBe("c0");
    for (let index = 1; index < 100; index++) expect(await events.next(signal)).toBe(`c${index}`);
    const controller = new AbortController();
    const gone = events.next(controller.signal);
    const waiting = events.next(signal);
    controller.abort(new Error("gone"));
    await expect(gone).rejects.toThrow("gone");
    events.push("late");
    expect(await waiting).toBe("late");
  });

  test("dns is ignored in a pod VM and laid over the guest's file when so configured", async () => {
    const resolver = join(guest.root, "resolv.conf");
    writeFileSync(resolver, "nameserver 9.9.9.9\n");
    await guest.call("CreateSandbox", { dns: ["nameserver 10.0.0.1"] });
    expect(readFileSync(resolver, "utf8")).toBe("nameserver 9.9.9.9\n");
    const plain = new GuestFixture({ settings: { guestDns: "apply", resolverFile: resolver } });
    await plain.call("CreateSandbox", { dns: [" nameserver 10.0.0.1 ", "search svc"] });
    expect(readFileSync(resolver, "utf8")).toBe("nameserver 10.0.0.1\nsearch svc");
    await plain.call("DestroySandbox", {});
    expect(readFileSync(resolver, "utf8")).toBe("nameserver 9.9.9.9\n");
    expect(await plain.close()).toEqual([]);
  });
});
