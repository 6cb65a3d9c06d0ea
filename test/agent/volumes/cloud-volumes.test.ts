import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { unmount } from "../../../guest/sys/mount.ts";
import { sandboxId } from "../requests.ts";
import { exec, failure } from "../running.ts";
import { VolumeFixture, whyNoDisks } from "./volume-fixture.ts";

describe.skipIf(whyNoDisks !== undefined)("volumes of the cloud", () => {
  let fixture: VolumeFixture;
  beforeEach(async () => {
    fixture = new VolumeFixture();
    await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  });
  afterEach(async () => {
    await fixture.guest.call("DestroySandbox", {});
    expect(await fixture.close()).toEqual([]);
  });
  const create = (...args: Parameters<VolumeFixture["request"]>): Promise<unknown> =>
    fixture.guest.call("CreateContainer", fixture.request(...args));
  const start = (id: string) => fixture.guest.call("StartContainer", { container_id: id });

  test("forwarder.md 5.1: a container finds its encrypted disk, with its group; the next container the same one", async () => {
    const { guest, hub } = fixture;
    await create("c1", { data: 0 }, { fs_group: "2000" });
    expect(hub.calls).toEqual(["mount vdb caa-data kbs:///a/b/c"]);
    await start("c1");
    const written = await exec(guest, "c1", "e1", ["sh", "-c", "echo kept > /data/file && ls -lnd /data"]);
    expect(written.stdout).toMatch(/^drwxrwsr-x .* 0 +2000 /);
    expect((await exec(guest, "c1", "e2", ["cat", "/proc/mounts"])).stdout).toMatch(/ \/data \S+ \S*nosuid,nodev/);
    await guest.call("RemoveContainer", { container_id: "c1" });
    expect(fixture.isMounted("data")).toBe(true);
    await create("c2", { data: 0 }, { fs_group: "2000" });
    await start("c2");
    expect((await exec(guest, "c2", "e1", ["cat", "/data/file"])).stdout).toBe("kept\n");
    expect(hub.calls).toHaveLength(1);
  });

  test("DestroySandbox unmounts before it closes, the last volume first", async () => {
    const { guest, hub } = fixture;
    await create("c1", { b: 0 });
    await create("c2", { a: 1, b: 0 });
    await guest.call("DestroySandbox", {});
    expect(hub.calls.slice(2)).toEqual(["close caa-a", "close caa-b"]);
    expect(await fixture.close()).toEqual([]);
    fixture = new VolumeFixture();
    await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  });

  test("DestroySandbox while a volume is being opened leaves nothing of it", async () => {
    const { guest, hub } = fixture;
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.opening = promise;
    const created = failure(create("c1", { data: 0 }));
    await vi.waitFor(() => expect(hub.calls).toHaveLength(1));
    const destroyed = guest.call("DestroySandbox", {});
    resolve();
    expect(await created).toEqual({ code: "aborted", message: "the sandbox is being destroyed" });
    await destroyed;
    expect(hub.calls.at(-1)).toBe("close caa-data");
    expect(await fixture.close()).toEqual([]);
    fixture = new VolumeFixture();
    await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  });

  test("a caller who gives up while the volume is being opened leaves it to those who wait for it, too", async () => {
    const { guest, hub } = fixture;
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.opening = promise;
    const caller = new AbortController();
    const first = failure(guest.call("CreateContainer", fixture.request("c1", { data: 0 }), caller.signal));
    await vi.waitFor(() => expect(hub.calls).toHaveLength(1));
    const second = create("c2", { data: 0 });
    // Until it waits for the volume, too.
    await setImmediate();
    caller.abort(new GuestError("cancelled", "the caller has gone"));
    expect(await first).toEqual({ code: "cancelled", message: "the caller has gone" });
    resolve();
    await second;
    expect(hub.calls).toHaveLength(1);
    expect(fixture.isMounted("data")).toBe(true);
  });

  test("when all have given up, what was opened in the meantime is closed", async () => {
    const { guest, hub } = fixture;
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.opening = promise;
    const caller = new AbortController();
    const calls = ["c1", "c2"].map((id) =>
      failure(guest.call("CreateContainer", fixture.request(id, { data: 0 }), caller.signal)),
    );
    await vi.waitFor(() => expect(hub.calls).toHaveLength(1));
    caller.abort(new GuestError("cancelled", "the caller has gone"));
    resolve();
    for (const refused of await Promise.all(calls)) expect(refused.code).toBe("cancelled");
    expect(hub.calls).toEqual(["mount vdb caa-data kbs:///a/b/c", "close caa-data"]);
    expect(fixture.isMounted("data")).toBe(false);
  });

  test("containers that are made at once share one volume; the failing one leaves it to the other", async () => {
    const { guest, hub } = fixture;
    const missing = { image: "missing:1" };
    const results = await Promise.allSettled([create("c1", { data: 0 }, {}, missing), create("c2", { data: 0 })]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(hub.calls).toHaveLength(1);
    expect(fixture.isMounted("data")).toBe(true);
    await start("c2");
    expect((await exec(guest, "c2", "e1", ["sh", "-c", "echo x > /data/x && cat /data/x"])).stdout).toBe("x\n");
  });

  test.each([
    ["opening", "early", {}, "[CDH] [ERROR]: Secure Mount failed"],
    ["a mount that is reported too late", "late", {}, "the hub takes too long"],
    ["a mount that isn't there", "no-mount", {}, "the cloud volume has not been mounted"],
    ["the image", undefined, { image: "missing:1" }, "no such image: missing:1"],
    ["a later mount", undefined, { mounts: [{ destination: "/x", source: "$shared/f/g", type: "bind" }] }, "ENOTDIR"],
  ] as const)(
    "when %s fails, all is taken back, and it works the next time",
    async (_what, trouble, options, message) => {
      const { guest, hub } = fixture;
      const { sharedContainers } = guest.paths;
      await guest.call("CopyFile", {
        path: join(sharedContainers, "f"),
        file_mode: 0o100600,
        dir_mode: 0o755,
        data: Buffer.from("x"),
        file_size: 1n,
      });
      const mounts =
        "mounts" in options
          ? options.mounts.map((mount) => ({ ...mount, source: mount.source.replace("$shared", sharedContainers) }))
          : [];
      hub.trouble = trouble;
      const before = fixture.snapshot().filter((line) => !/^(?:mount|close) /.test(line));
      expect((await failure(create("c1", { data: 0, more: 1 }, {}, { ...options, mounts }))).message).toContain(
        message,
      );
      expect(fixture.snapshot().filter((line) => !/^(?:mount|close) /.test(line))).toEqual(before);
      expect(hub.open.size).toBe(0);
      expect(hub.calls.filter((call) => call.includes("while mounted"))).toEqual([]);
      hub.trouble = undefined;
      await create("c1", { data: 0, more: 1 });
    },
  );

  test("threat 118: a disk without a LUKS2 header is refused and not written to", async () => {
    const before = fixture.snapshot();
    for (const lun of [2, 3]) {
      expect(await failure(create("c1", { data: lun }))).toEqual({
        code: "permission-denied",
        message: "cloud volume data has no LUKS2 header, and disks are never formatted here",
      });
    }
    expect(fixture.snapshot()).toEqual(before);
  });

  test("threats 115, 117: a host that leaves out the encryption is refused", async () => {
    const before = fixture.snapshot();
    const refused = await failure(create("c1", { data: 0 }, { encrypt_type: "" }));
    expect(refused.code).toBe("permission-denied");
    expect(refused.message).toContain("is not encrypted");
    expect(fixture.snapshot()).toEqual(before);
  });

  test("threat 117: a name that means another key or disk in a later container is refused", async () => {
    await create("c1", { data: 0 });
    for (const members of [{ key_id: "a/b/other" }, { lun: "1" }, { fs_group: "1" }]) {
      const refused = await failure(create("c2", { data: 0 }, members));
      expect(refused.message).toBe("cloud volume data is another one in another container");
    }
  });

  test("threat 41: the place of a volume is no source that a host may name", async () => {
    await create("c1", { data: 0 });
    const { cloudVolumes } = fixture.guest.paths;
    for (const source of ["data", "data/sub", "other", "data/.", "../volumes/data"]) {
      const mount = { destination: "/x", source: `${cloudVolumes}/${source}`, type: "bind", options: ["rbind"] };
      const refused = await failure(create("c2", { more: 1 }, {}, { mounts: [mount] }));
      expect(refused.code).toBe("permission-denied");
    }
    expect(readdirSync(cloudVolumes)).toEqual(["data"]);
  });

  test("another container may have the volume at another place", async () => {
    const { guest, hub } = fixture;
    await create("c1", { data: 0 });
    const { OCI: spec, ...request } = fixture.request("c2", { data: 0 }, { mount_point: "/other" });
    const Mounts = spec?.Mounts?.map((mount) =>
      mount.destination === "/data" ? { ...mount, destination: "/other" } : mount,
    );
    await guest.call("CreateContainer", { ...request, OCI: { ...spec, ...(Mounts && { Mounts }) } });
    await start("c2");
    await exec(guest, "c2", "e1", ["sh", "-c", "echo x >/other/file"]);
    await start("c1");
    expect((await exec(guest, "c1", "e1", ["cat", "/data/file"])).stdout).toBe("x\n");
    expect(hub.calls).toHaveLength(1);
  });

  test("when somebody has unmounted it, no container gets the bare directory in its place", async () => {
    await create("c1", { data: 0 });
    unmount(join(fixture.guest.paths.cloudVolumes, "data"));
    const refused = await failure(create("c2", { data: 0 }));
    expect(refused).toEqual({ code: "failed-precondition", message: "the cloud volume is not mounted any more" });
  });

  test("a volume that no mount is for is mounted all the same", async () => {
    const request = fixture.request("c1", { data: 0 });
    const mounts = (request.OCI?.Mounts ?? []).filter(({ destination }) => destination !== "/data");
    await fixture.guest.call("CreateContainer", { ...request, OCI: { ...request.OCI, Mounts: mounts } });
    expect(fixture.isMounted("data")).toBe(true);
  });

  test("a disk that isn't there; one whose directory is there already", async () => {
    expect(await failure(create("c1", { data: 9 }))).toEqual({
      code: "unavailable",
      message: "there is no data disk 9",
    });
    mkdirSync(join(fixture.guest.paths.cloudVolumes, "data"));
    await create("c1", { data: 0 });
  });
});

test.skipIf(whyNoDisks !== undefined)("without a hub, volumes of the cloud are UNIMPLEMENTED", async () => {
  const fixture = new VolumeFixture({ dependencies: { encryptedDisks: undefined } });
  await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  const call = fixture.guest.call("CreateContainer", fixture.request("c1", { data: 0 }));
  expect(await failure(call)).toEqual({ code: "unimplemented", message: "cloud volumes are not supported" });
  await fixture.guest.call("DestroySandbox", {});
  expect(await fixture.close()).toEqual([]);
});

test.skipIf(whyNoDisks !== undefined)("a caller who gives up ends the search for a disk that isn't there", async () => {
  const fixture = new VolumeFixture({ settings: { dataDiskTimeoutMs: 3_600_000 } });
  await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  const caller = new AbortController();
  const call = fixture.guest.call("CreateContainer", fixture.request("c1", { data: 9 }), caller.signal);
  await setImmediate();
  caller.abort(new GuestError("cancelled", "the caller has gone"));
  expect(await failure(call)).toEqual({ code: "cancelled", message: "the caller has gone" });
  await fixture.guest.call("DestroySandbox", {});
  expect(await fixture.close()).toEqual([]);
});
