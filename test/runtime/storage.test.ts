import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import { Storage } from "../../guest/rpc/messages/agent.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import { createGuestPaths, type GuestPaths } from "../../guest/runtime/guest-paths.ts";
import { createBindDriver, createWatchableBindDriver } from "../../guest/runtime/storage/bind.ts";
import { createEphemeralDriver } from "../../guest/runtime/storage/ephemeral.ts";
import { createLocalDriver } from "../../guest/runtime/storage/local.ts";
import { MountPlace } from "../../guest/runtime/storage/mount-place.ts";
import { createOverlayDriver } from "../../guest/runtime/storage/overlayfs.ts";
import type { AttachContext } from "../../guest/runtime/storage/storage-driver.ts";
import { StorageTable } from "../../guest/runtime/storage/storage-table.ts";
import type { Directory } from "../../guest/sys/directory.ts";
import { mount, readMountTable, unmount } from "../../guest/sys/mount.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("storage tests are skipped: need root");

const hugePages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
if (!existsSync(hugePages)) console.warn("a storage test is skipped: the kernel has no huge pages of 2 MiB");

const context: AttachContext = {
  containerId: "c1",
  isSandboxContainer: false,
  signal: new AbortController().signal,
  log: silentLog,
};

function storage(init: MessageInit<Storage>): Storage {
  return decodeMessage(Storage, encodeMessage(Storage, init), { unknownFields: "reject" });
}

describe.skipIf(!isRoot)("storages", () => {
  let root: string;
  let paths: GuestPaths;
  let table: StorageTable;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pk-"));
    paths = createGuestPaths({ base: join(root, "run"), networkNamespace: undefined });
    for (const directory of [paths.sharedContainers, paths.sandboxStorage, join(paths.base, "c1")]) {
      mkdirSync(directory, { recursive: true });
    }
    const drivers = [
      createEphemeralDriver,
      createLocalDriver,
      createBindDriver,
      createWatchableBindDriver,
      createOverlayDriver,
    ];
    table = new StorageTable(
      drivers.map((create) => create(paths)),
      silentLog,
    );
  });
  afterEach(async () => {
    await table.close();
    expect(mounts()).toEqual([]);
    rmSync(root, { recursive: true });
  });

  const mounts = (): string[] =>
    readMountTable().flatMap(({ mountPoint }) => (mountPoint.startsWith(root) ? [mountPoint] : []));
  const shared = (path: string): string => join(paths.sharedContainers, path);
  const sandbox = (path: string): string => join(paths.sandboxStorage, path);
  const attach = (...storages: MessageInit<Storage>[]) => table.attach(storages.map(storage), context);
  const valid = {
    ephemeral: { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs" },
    local: { driver: "local", source: "local", fstype: "local" },
    bind: { driver: "bind", source: "", options: [] },
  };

  const badPlaces = [
    "/",
    "/etc",
    "/run",
    "",
    "relative",
    "$base",
    "$base/c1",
    "$base/c1/rootfs",
    "$sandbox",
    "$sandbox/",
    "$sandbox/a/",
    "$sandbox/../x",
    "$sandbox/a/../../x",
    "$sandbox//a",
    "$sandbox/./a",
    "$sandbox/a\0b",
    `$sandbox/${"x".repeat(4200)}`,
  ];
  test.each(["ephemeral", "local", "bind", "overlayfs", "watchable-bind"])(
    "threat 42: %s is attached nowhere but below its directories",
    async (driver) => {
      mkdirSync(shared("source"));
      for (const pattern of badPlaces) {
        const mount_point = pattern.replace("$sandbox", paths.sandboxStorage).replace("$base", paths.base);
        const options = driver === "overlayfs" ? [`lowerdir=${shared("source")}`] : [];
        const init = { driver, source: shared("source"), fstype: "tmpfs", options, mount_point };
        await expect(attach(init), pattern).rejects.toMatchObject({ code: "permission-denied" });
      }
      expect(mounts()).toEqual([]);
      expect(readdirSync(paths.sandboxStorage)).toEqual([]);
    },
  );

  test.each(["ephemeral", "local", "bind", "overlayfs", "watchable-bind"])(
    "threat 42: %s takes none of the options that widen what a volume can do",
    async (driver) => {
      mkdirSync(shared("source"));
      const mount_point = driver === "watchable-bind" ? shared("watchable/x") : sandbox("x");
      const base = driver === "overlayfs" ? [`lowerdir=${shared("source")}`] : [];
      for (const option of [
        "exec",
        "suid",
        "dev",
        "remount",
        "move",
        "shared",
        "rshared",
        "upperdir=/etc",
        "context=x",
        "uid=0",
        "size=1,exec",
        "",
      ]) {
        const init = { driver, source: shared("source"), fstype: "tmpfs", options: [...base, option], mount_point };
        await expect(attach(init), option).rejects.toMatchObject({ code: "permission-denied" });
      }
      expect(mounts()).toEqual([]);
    },
  );

  test.each(["ext4", "proc", "overlay", "virtiofs", ""])(
    "threat 42: ephemeral is no way to mount %j",
    async (fstype) => {
      const init = { driver: "ephemeral", source: "/dev/vda", fstype, mount_point: sandbox("x") };
      await expect(attach(init)).rejects.toMatchObject({ code: "permission-denied" });
    },
  );

  test("threat 42: nothing is attached over a mount, or through a link on the way", async () => {
    mkdirSync(sandbox("taken"));
    mount({ source: "tmpfs", target: sandbox("taken"), type: "tmpfs" });
    try {
      await expect(attach({ ...valid.ephemeral, mount_point: sandbox("taken") })).rejects.toThrow(
        "something is mounted",
      );
    } finally {
      unmount(sandbox("taken"));
    }
    symlinkSync("/etc", sandbox("link"));
    for (const init of [valid.ephemeral, valid.local]) {
      await expect(attach({ ...init, mount_point: sandbox("link/x") })).rejects.toThrow();
      await expect(attach({ ...init, mount_point: sandbox("link") })).rejects.toThrow();
    }
    expect(existsSync("/etc/x")).toBe(false);
  });

  test.each(["/etc", "$base/c1", "$shared/../../x", "$shared", "$shared/link", "relative", ""])(
    "threat 41: %j is no source of a bind",
    async (pattern) => {
      symlinkSync("/etc", shared("link"));
      const source = pattern.replace("$shared", paths.sharedContainers).replace("$base", paths.base);
      await expect(attach({ driver: "bind", source, mount_point: sandbox("x") })).rejects.toThrow();
      await expect(
        attach({ driver: "overlayfs", options: [`lowerdir=${source}`], mount_point: sandbox("x") }),
      ).rejects.toThrow();
      expect(mounts()).toEqual([]);
    },
  );

  test("ephemeral memory has the limits, owner and mode that were asked for", async () => {
    const options = ["size=1m", "nr_inodes=10", "mode=0750", "fsgid=1234", "noexec"];
    await attach({ ...valid.ephemeral, options, mount_point: sandbox("a/b") });
    const [entry] = readMountTable().filter(({ mountPoint }) => mountPoint === sandbox("a/b"));
    expect(entry?.options).toEqual(expect.arrayContaining(["nosuid", "nodev", "noexec"]));
    expect(entry?.superOptions).toEqual(expect.arrayContaining(["size=1024k", "nr_inodes=10"]));
    expect(lstatSync(sandbox("a/b"))).toMatchObject({ uid: 0, gid: 1234, mode: 0o042770 });
  });

  test("a volume's group may come as a field", async () => {
    await attach({ ...valid.local, options: ["mode=0700"], fs_group: { group_id: 77 }, mount_point: shared("v") });
    expect(lstatSync(shared("v"))).toMatchObject({ gid: 77, mode: 0o042770 });
    const broken = { ...valid.local, mount_point: shared("w") };
    for (const option of ["mode=9", "mode=77777", "fsgid=-1", "fsgid=4294967295", "fsgid=x"]) {
      await expect(attach({ ...broken, options: [option] })).rejects.toThrow("malformed number");
    }
  });

  test("huge pages that the kernel does not have are an honest error", async () => {
    const huge = { driver: "ephemeral", source: "nodev", fstype: "hugetlbfs", mount_point: sandbox("huge") };
    await expect(attach({ ...huge, options: ["size=4096"] })).rejects.toThrow("needs pagesize");
    await expect(attach({ ...huge, options: ["pagesize=3000", "size=3000"] })).rejects.toThrow(
      "no huge pages of this size",
    );
    await expect(attach({ ...huge, options: ["pagesize=2097152", "size=1"] })).rejects.toThrow("malformed size");
  });

  test.skipIf(!existsSync(hugePages))("huge pages are reserved for a volume, and given back with it", async () => {
    const reserved = (): number => Number(readFileSync(hugePages, "utf8"));
    const before = reserved();
    const huge = { driver: "ephemeral", source: "nodev", fstype: "hugetlbfs", mount_point: sandbox("huge") };
    const use = await attach({ ...huge, options: ["pagesize=2097152", "size=4194304", "fsgid=1234"] });
    expect(reserved()).toBe(before + 2);
    expect(lstatSync(sandbox("huge"))).toMatchObject({ gid: 1234, mode: 0o043777 });
    await use.undo();
    expect(reserved()).toBe(before);
    // Rounded, this is the size of a folder; but there is no file system with such pages.
    await expect(attach({ ...huge, options: ["pagesize=2097153", "size=2097153"] })).rejects.toThrow();
    expect(reserved()).toBe(before);
  });

  test("ephemeral memory may be read-only, with its owner all the same", async () => {
    const options = ["ro", "mode=0755", "fsgid=1234"];
    const use = await attach({ ...valid.ephemeral, options, mount_point: sandbox("ro") });
    expect(lstatSync(sandbox("ro"))).toMatchObject({ gid: 1234, mode: 0o042775 });
    expect(() => writeFileSync(sandbox("ro/x"), "")).toThrow("EROFS");
    const [entry] = readMountTable().filter(({ mountPoint }) => mountPoint === sandbox("ro"));
    expect(entry?.options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
    await use.undo();
    expect(mounts()).toEqual([]);
  });

  test("what fails after the mounting leaves nothing mounted", async () => {
    const place = new MountPlace(paths.base, sandbox("x"), [paths.sandboxStorage]);
    const fail = (): void => {
      throw new Error("no owner");
    };
    const tmpfs = ({ path }: Directory): void => mount({ source: "tmpfs", target: path, type: "tmpfs" });
    expect(() => place.mount(tmpfs, fail)).toThrow("no owner");
    expect(mounts()).toEqual([]);
  });

  test("bind and watchable-bind show updates of what they bind", async () => {
    mkdirSync(shared("config"));
    writeFileSync(shared("config/key"), "old");
    const use = await attach(
      { driver: "bind", source: shared("config"), options: ["rbind", "ro"], mount_point: sandbox("bound") },
      { driver: "watchable-bind", source: shared("config"), options: ["rbind"], mount_point: shared("watchable/w") },
    );
    writeFileSync(shared("config/key"), "new");
    expect(readFileSync(sandbox("bound/key"), "utf8")).toBe("new");
    expect(readFileSync(shared("watchable/w/key"), "utf8")).toBe("new");
    expect(() => writeFileSync(sandbox("bound/key"), "x")).toThrow(/EROFS/);
    await use.release();
    expect(mounts()).toEqual([]);
    expect(readFileSync(shared("config/key"), "utf8")).toBe("new");
  });

  test("overlayfs lays directories over each other, with an upper layer of the container's own", async () => {
    for (const name of ["low", "high"]) mkdirSync(shared(name));
    writeFileSync(shared("low/both"), "low");
    writeFileSync(shared("low/only"), "low");
    writeFileSync(shared("high/both"), "high");
    const options = [`lowerdir=${shared("high")}:${shared("low")}`, "io.katacontainers.fs-opt.overlay-rw"];
    const driver_options = [`io.katacontainers.volume.overlayfs.create_directory=${sandbox("made")}`];
    const use = await attach({ driver: "overlayfs", driver_options, options, mount_point: sandbox("merged") });
    expect(readFileSync(sandbox("merged/both"), "utf8")).toBe("high");
    writeFileSync(sandbox("merged/only"), "changed");
    expect(readFileSync(shared("low/only"), "utf8")).toBe("low");
    expect(lstatSync(sandbox("made")).isDirectory()).toBe(true);
    // Where what pods can fill is limited, not in the bundle (threat 120).
    const [layer = ""] = readdirSync(paths.overlays);
    expect(readFileSync(join(paths.overlays, layer, "upperdir/only"), "utf8")).toBe("changed");
    await use.release();
    expect(readdirSync(paths.overlays)).toEqual([]);
    const evil = [`io.katacontainers.volume.overlayfs.create_directory=/etc/evil`];
    await expect(
      attach({ driver: "overlayfs", driver_options: evil, options, mount_point: sandbox("m2") }),
    ).rejects.toThrow();
    expect(existsSync("/etc/evil")).toBe(false);
  });

  test("counts users: what belongs to containers goes with the last, the pod's volumes stay to the end", async () => {
    mkdirSync(shared("s"));
    const bind = { driver: "bind", source: shared("s"), mount_point: sandbox("bound") };
    const volume = { ...valid.ephemeral, mount_point: sandbox("vol") };
    const first = await attach(bind, volume);
    const second = await attach(bind, volume);
    await first.release();
    await first.release();
    expect(mounts().sort()).toEqual([sandbox("bound"), sandbox("vol")]);
    await second.release();
    expect(mounts()).toEqual([sandbox("vol")]);
    // A user that never came to be takes along only what it was the first to ask for.
    const failed = await attach(volume, { ...valid.local, mount_point: sandbox("dir") });
    await failed.undo();
    expect(mounts()).toEqual([sandbox("vol")]);
    expect(existsSync(sandbox("dir"))).toBe(false);
    await table.close();
    expect(mounts()).toEqual([]);
  });

  test("two that ask at once share one storage, and fail together", async () => {
    const volume = { ...valid.ephemeral, mount_point: sandbox("vol") };
    await Promise.all([attach(volume), attach(volume)]);
    expect(mounts()).toEqual([sandbox("vol")]);
    const bad = { ...valid.ephemeral, options: ["exec"], mount_point: sandbox("bad") };
    const both = await Promise.allSettled([attach(bad), attach(bad)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await attach({ ...bad, options: [] });
  });

  test("names of drivers are only names", async () => {
    for (const driver of ["", "__proto__", "constructor", "virtio-fs", "blk", "x".repeat(1000)]) {
      const error = await attach({ driver, mount_point: sandbox("x") }).catch((caught: Error) => caught);
      expect(error).toMatchObject({
        code: "internal",
        message: expect.stringMatching(/^Failed to find the storage handler /),
      });
    }
    expect(table.driverNames).toEqual(["ephemeral", "local", "bind", "watchable-bind", "overlayfs"]);
  });
});
