import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { descriptorPath, readDescriptorBounded, writeDescriptor } from "../../guest/sys/descriptor.ts";
import { Directory } from "../../guest/sys/directory.ts";
import { encodeDeviceNumber } from "../../guest/sys/file-status.ts";
import { mount, unmount } from "../../guest/sys/mount.ts";
import { isErrno } from "../../guest/sys/system-error.ts";
import { isRoot } from "./root.ts";
import { directoryWithCanary, errnoOf, openDescriptorsBelow } from "./support.ts";

let outer: string;
let base: string;
let directory: Directory;

beforeEach(() => {
  ({ outer, base, directory } = directoryWithCanary());
});

afterEach(() => {
  directory.close();
  expect(openDescriptorsBelow(outer)).toEqual([]);
});

/** Swaps `real`, a directory, and `trap`, a link to the directory above, as fast as it can. */
const endlessSwapping = `
  const { renameSync } = require("node:fs");
  console.log("swapping");
  for (;;) {
    renameSync("real", "parked"); renameSync("trap", "real");
    renameSync("real", "trap"); renameSync("parked", "real");
  }`;

function writeFile(name: string | Uint8Array, content: string, mode = 0o644): void {
  const fd = directory.createFile(name, { mode });
  writeDescriptor(fd, Buffer.from(content));
  fs.closeSync(fd);
}

describe("works like the calls it is made of", () => {
  test.skipIf(!isRoot)("files, links, nodes and their metadata", () => {
    directory.makeDirectories("a/b/c");
    writeFile("a/b/c/file", "hello", 0o600);
    directory.symlink("../../canary", "a/link");
    directory.link("a/b/c/file", "a/hard");
    directory.makeNode("fifo", "fifo", 0o622);
    directory.makeNode("null", "character-device", 0o666, { major: 1, minor: 3 });
    directory.changeOwner("a/b/c/file", 1234, 5678);
    expect(errnoOf(() => directory.changeOwner("a/b/c/file", 0xffff_ffff, 0))).toBe("EINVAL");
    directory.changeMode("a/b/c/file", 0o4755);
    directory.changeTimes("a/b/c/file", { seconds: -5n, nanoseconds: 7 });
    directory.changeOwner("a/link", 1, 2);

    expect(directory.status("a/hard")).toMatchObject({
      kind: "file",
      mode: 0o4755,
      uid: 1234,
      gid: 5678,
      sizeBytes: 5,
      links: 2,
      modified: { seconds: -5n, nanoseconds: 7 },
    });
    expect(directory.status("a/link")).toMatchObject({ kind: "symlink", uid: 1, gid: 2 });
    expect(directory.readLink("a/link").toString()).toBe("../../canary");
    expect(directory.status("fifo")).toMatchObject({ kind: "fifo", mode: 0o622 });
    expect(directory.status("null")).toMatchObject({ kind: "character-device", specialDevice: { major: 1, minor: 3 } });
    expect(fs.readFileSync(path.join(base, "null"), "utf8")).toBe("");
    const names = directory.list().map(String);
    expect(names.sort()).toEqual(["a", "fifo", "null"]);
    const status = directory.status();
    expect(status.kind).toBe("directory");
    expect(status.inode).toBe(fs.statSync(base, { bigint: true }).ino);
    expect(directory.statusIfPresent("nothing/here")).toBeUndefined();
  });

  test("a mode is taken as it is, whatever the umask", () => {
    const before = process.umask(0o077);
    try {
      directory.makeDirectory("sticky", 0o1777);
      directory.makeNode("fifo", "fifo", 0o666);
      expect(directory.status("sticky").mode).toBe(0o1777);
      expect(directory.status("fifo").mode).toBe(0o666);
    } finally {
      process.umask(before);
    }
  });

  test("rename replaces, or refuses to, also into another directory", () => {
    writeFile("one", "1");
    writeFile("two", "2");
    expect(errnoOf(() => directory.rename("one", "two", { replace: false }))).toBe("EEXIST");
    directory.rename("one", "two");
    expect(fs.readFileSync(path.join(base, "two"), "utf8")).toBe("1");
    directory.makeDirectory("sub");
    using sub = directory.openDirectory("sub");
    directory.rename("two", "three", { into: sub });
    expect(sub.list().map(String)).toEqual(["three"]);
  });

  test.skipIf(!isRoot)("extended attributes, on links, too", () => {
    writeFile("file", "x");
    directory.symlink("file", "link");
    directory.setAttribute("file", "user.podkeep", Buffer.from([0, 255, 10]));
    directory.setAttribute("link", "trusted.podkeep", Buffer.from("l"));
    expect(directory.attribute("file", "user.podkeep")).toEqual(Buffer.from([0, 255, 10]));
    expect(directory.attribute("file", "user.absent")).toBeUndefined();
    expect([...directory.attributes("link")]).toEqual([["trusted.podkeep", Buffer.from("l")]]);
    expect(directory.attribute("file", "trusted.podkeep")).toBeUndefined();
  });

  test("only regular files are opened; a fifo without a writer doesn't block", () => {
    writeFile("file", "content");
    const fd = directory.openFile("file");
    expect(readDescriptorBounded(fd, 100).toString()).toBe("content");
    fs.closeSync(fd);
    directory.makeNode("fifo", "fifo", 0o600);
    expect(errnoOf(() => directory.openFile("fifo"))).toBe("EINVAL");
    expect(errnoOf(() => directory.openFile("."))).toBe("EINVAL");
    directory.makeDirectory("sub");
    expect(errnoOf(() => directory.openFile("sub"))).toBe("EINVAL");
  });

  test("createFile is exclusive unless told otherwise", () => {
    writeFile("file", "long content");
    expect(errnoOf(() => directory.createFile("file"))).toBe("EEXIST");
    fs.closeSync(directory.createFile("file", { exclusive: false }));
    expect(directory.status("file").sizeBytes).toBe(0);
  });

  test("makeDirectories keeps what is there and refuses what is no directory", () => {
    directory.makeDirectories("a/b", 0o700);
    directory.makeDirectories("a//b/c/", 0o755);
    expect(directory.status("a").mode).toBe(0o700);
    expect(directory.status("a/b/c").mode).toBe(0o755);
    writeFile("a/file", "");
    expect(errnoOf(() => directory.makeDirectories("a/file"))).toBe("ENOTDIR");
    expect(errnoOf(() => directory.makeDirectories("a/file/x"))).toBe("ENOTDIR");
  });

  test("after close the descriptor is gone, and closing again is harmless", () => {
    const other = Directory.open(base);
    const { fd } = other;
    other.close();
    other.close();
    expect(fs.existsSync(descriptorPath(fd)) && fs.readlinkSync(descriptorPath(fd)) === base).toBe(false);
  });

  test("device numbers are encoded as the kernel has them", () => {
    expect(encodeDeviceNumber({ major: 8, minor: 1 })).toBe(0x801n);
    expect(encodeDeviceNumber({ major: 0xfff, minor: 0xff })).toBe(0xfffffn);
    expect(encodeDeviceNumber({ major: 0x12345, minor: 0x6789a })).toBe(0x1_2000_6783_459an);
  });
});

describe("threat 51: nothing leads out", () => {
  const writes: readonly [string, (target: string) => unknown][] = [
    ["createFile", (target) => directory.createFile(target)],
    ["createFile over", (target) => directory.createFile(target, { exclusive: false })],
    ["openFile", (target) => directory.openFile(target)],
    ["openFileForWriting", (target) => directory.openFileForWriting(target)],
    ["makeDirectory", (target) => directory.makeDirectory(target)],
    ["symlink", (target) => directory.symlink("x", target)],
    ["makeNode", (target) => directory.makeNode(target, "fifo", 0o600)],
    ["rename to", (target) => directory.rename("mine", target)],
    ["rename from", (target) => directory.rename(target, "stolen")],
    ["link to", (target) => directory.link("mine", target)],
    ["link from", (target) => directory.link(target, "stolen")],
    ["unlink", (target) => directory.unlink(target)],
    ["changeOwner", (target) => directory.changeOwner(target, 1, 1)],
    ["changeMode", (target) => directory.changeMode(target, 0)],
    ["setAttribute", (target) => directory.setAttribute(target, "user.x", Buffer.from("x"))],
    ["openDirectory", (target) => directory.openDirectory(path.dirname(target))],
    ["status", (target) => directory.status(target)],
  ];

  for (const [name, action] of writes) {
    test(`${name}: .., absolute, through a planted parent link`, () => {
      writeFile("mine", "m");
      directory.symlink("..", "up");
      directory.symlink(outer, "away");
      directory.symlink("/proc/self/root", "magic");
      directory.makeDirectory("sub");
      const paths = [
        "../canary",
        "sub/../../canary",
        `${outer}/canary`,
        "/canary",
        "up/canary",
        "away/canary",
        `magic${outer}/canary`,
        "./../canary",
      ];
      for (const hostile of paths)
        expect([hostile, errnoOf(() => action(hostile))]).toEqual([
          hostile,
          expect.stringMatching(/^(EXDEV|ELOOP|ENOTDIR)$/),
        ]);
      expect(fs.readdirSync(outer).sort()).toEqual(["base", "canary"]);
      expect(fs.readFileSync(path.join(outer, "canary"), "utf8")).toBe("alive");
      expect(fs.statSync(path.join(outer, "canary")).uid).toBe(process.getuid?.());
    });
  }

  test("a link at the leaf is replaced, removed or refused, never followed", () => {
    directory.symlink("../canary", "leaf");
    expect(errnoOf(() => directory.createFile("leaf"))).toBe("EEXIST");
    expect(errnoOf(() => directory.createFile("leaf", { exclusive: false }))).toBe("ELOOP");
    expect(errnoOf(() => directory.openFile("leaf"))).toBe("ELOOP");
    expect(errnoOf(() => directory.makeDirectory("leaf"))).toBe("EEXIST");
    expect(errnoOf(() => directory.openDirectory("leaf"))).toBe("ELOOP");
    writeFile("new", "new");
    directory.rename("new", "leaf");
    expect(directory.status("leaf").kind).toBe("file");
    expect(fs.readFileSync(path.join(outer, "canary"), "utf8")).toBe("alive");
  });

  test("threat 133: a component that another process keeps swapping for a link never leads out", async () => {
    directory.makeDirectory("real");
    directory.symlink("..", "trap");
    const swapper = spawn(process.execPath, ["-e", endlessSwapping], {
      cwd: base,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => swapper.stdout.once("data", resolve));
    const outcomes = { written: 0, refused: 0 };
    for (let attempt = 0; attempt < 200_000 && (outcomes.written < 500 || outcomes.refused < 500); attempt++) {
      try {
        fs.closeSync(directory.createFile("real/canary", { exclusive: false }));
        directory.changeMode("real/canary", 0o600);
        directory.unlink("real/canary");
        outcomes.written++;
      } catch (error) {
        if (!isErrno(error, "ELOOP", "ENOENT")) throw error;
        outcomes.refused++;
      }
    }
    swapper.kill("SIGKILL");
    await new Promise((resolve) => swapper.once("close", resolve));
    expect(outcomes.written).toBeGreaterThanOrEqual(500);
    expect(outcomes.refused).toBeGreaterThanOrEqual(500);
    expect(fs.readFileSync(path.join(outer, "canary"), "utf8")).toBe("alive");
    expect(fs.statSync(path.join(outer, "canary")).mode & 0o777).toBe(0o644);
  });

  test("in-root: absolute links and .. mean the directory, as inside a container", () => {
    directory.makeDirectories("usr/bin");
    directory.symlink("/usr/bin", "bin");
    directory.symlink("../../../../..", "usr/up");
    using rooted = Directory.open(base, { symlinks: "in-root" });
    fs.closeSync(rooted.createFile("bin/tool"));
    fs.closeSync(rooted.createFile("usr/up/top"));
    fs.closeSync(rooted.createFile("/etc-file"));
    expect(fs.existsSync(path.join(base, "usr/bin/tool"))).toBe(true);
    expect(fs.existsSync(path.join(base, "top"))).toBe(true);
    expect(fs.existsSync(path.join(base, "etc-file"))).toBe(true);
    directory.symlink("/proc/self/root", "magic");
    expect(errnoOf(() => rooted.createFile("magic/x"))).toBe("ENOENT");
  });

  test("beneath: links are followed as long as they stay inside", () => {
    directory.makeDirectories("data/v1");
    directory.symlink("v1", "data/current");
    directory.symlink("../canary", "escape");
    using beneath = Directory.open(base, { symlinks: "beneath" });
    fs.closeSync(beneath.createFile("data/current/key"));
    expect(fs.existsSync(path.join(base, "data/v1/key"))).toBe(true);
    expect(errnoOf(() => beneath.createFile("escape/x"))).toBe("EXDEV");
  });

  test("magic links of /proc are never followed", () => {
    using proc = Directory.open("/proc/self", { symlinks: "in-root", mounts: "cross" });
    expect(errnoOf(() => proc.openDirectory("cwd"))).toBe("ELOOP");
    expect(errnoOf(() => proc.openDirectory("root/etc"))).toBe("ELOOP");
  });

  test.skipIf(!isRoot)("a mount below is only entered when that was allowed", () => {
    directory.makeDirectory("mounted");
    mount({ source: "tmpfs", target: path.join(base, "mounted"), type: "tmpfs" });
    try {
      expect(errnoOf(() => directory.createFile("mounted/file"))).toBe("EXDEV");
      expect(errnoOf(() => directory.openDirectory("mounted"))).toBe("EXDEV");
      using crossing = Directory.open(base, { mounts: "cross" });
      fs.closeSync(crossing.createFile("mounted/file"));
      expect(fs.existsSync(path.join(base, "mounted/file"))).toBe(true);
    } finally {
      unmount(path.join(base, "mounted"));
    }
  });
});

describe("threat 132: paths are bytes", () => {
  test("NUL, lone surrogates, empty and dot names are refused before the kernel sees them", () => {
    for (const bad of ["a\0b", "\0", "bad\ud800name", "", ".", "..", "a/", "a/.", "a/..", "/"])
      expect([bad, errnoOf(() => directory.makeDirectory(bad))]).toEqual([bad, "EINVAL"]);
    expect(errnoOf(() => directory.makeDirectory(Buffer.from("a\0b")))).toBe("EINVAL");
    expect(errnoOf(() => directory.makeDirectory(Buffer.from("..")))).toBe("EINVAL");
    expect(errnoOf(() => directory.symlink("a\0b", "link"))).toBe("EINVAL");
    expect(directory.list()).toEqual([]);
  });

  test("too long a name or path is the kernel's error", () => {
    expect(errnoOf(() => directory.makeDirectory("x".repeat(5000)))).toBe("ENAMETOOLONG");
    expect(errnoOf(() => directory.makeDirectory(`${"x/".repeat(3000)}y`))).toBe("ENAMETOOLONG");
  });

  test("any bytes but NUL and slash make a name that comes back unchanged", () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 255 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
      .filter((bytes) => ![".", ".."].includes(bytes.toString()));
    fc.assert(
      fc.property(name, (bytes) => {
        fs.closeSync(directory.createFile(bytes));
        expect(directory.list()).toEqual([bytes]);
        expect(directory.status(bytes).kind).toBe("file");
        directory.setAttribute(bytes, "user.x", Buffer.from("y"));
        expect(directory.attribute(bytes, "user.x")).toEqual(Buffer.from("y"));
        directory.unlink(bytes);
      }),
      { numRuns: 50 },
    );
  });

  test("__proto__ is a name like any other", () => {
    directory.makeDirectories("__proto__/constructor");
    expect(directory.list().map(String)).toEqual(["__proto__"]);
  });
});
