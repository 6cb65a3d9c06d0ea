import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileReceiver } from "../../guest/agent/file-receiver.ts";
import { uploadIdleMs } from "../../guest/agent/limits.ts";
import type { CopyFileRequest } from "../../guest/rpc/messages/agent.ts";
import { createGuestPaths, type GuestPaths } from "../../guest/runtime/guest-paths.ts";
import { mount, unmount } from "../../guest/sys/mount.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("CopyFile tests are skipped: need root");

const quotaBytes = 8 * 1024 * 1024;
const regular = 0o100644;
const directory = 0o040755;
const symlink = 0o120777;

describe.skipIf(!isRoot)("CopyFile", () => {
  let root: string;
  let paths: GuestPaths;
  let receiver: FileReceiver;
  let now = 0;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pk-"));
    paths = createGuestPaths({ base: join(root, "run"), networkNamespace: undefined });
    mkdirSync(paths.sharedContainers, { recursive: true });
    mkdirSync(paths.uploads);
    writeFileSync(join(root, "canary"), "untouched");
    receiver = new FileReceiver(paths, quotaBytes, () => now);
  });
  afterEach(() => {
    expect(readFileSync(join(root, "canary"), "utf8")).toBe("untouched");
    rmSync(root, { recursive: true });
  });

  const at = (path: string): string => join(paths.sharedContainers, path);
  function request(path: string, more: Partial<CopyFileRequest> = {}): CopyFileRequest {
    const data = more.data ?? Buffer.alloc(0);
    return {
      path: path.startsWith("/") ? path : `${paths.sharedContainers}/${path}`,
      file_size: BigInt(data.byteLength),
      file_mode: regular,
      dir_mode: 0o750,
      uid: 0,
      gid: 0,
      offset: 0n,
      data,
      ...more,
    };
  }
  const receive = (path: string, more: Partial<CopyFileRequest> = {}): void => receiver.receive(request(path, more));
  const text = (content: string, more: Partial<CopyFileRequest> = {}): Partial<CopyFileRequest> => ({
    ...more,
    data: Buffer.from(content),
  });

  test("makes files, directories and links with owner and mode, and missing parents", () => {
    receive("a/b/file.txt", text("content", { uid: 12, gid: 34, file_mode: 0o100640 }));
    receive("a/dir", { file_mode: 0o040711, uid: 5, gid: 6 });
    receive("a/link", text("/etc/passwd", { file_mode: symlink, uid: 7, gid: 8 }));
    expect(readFileSync(at("a/b/file.txt"), "utf8")).toBe("content");
    expect(lstatSync(at("a/b/file.txt"))).toMatchObject({ uid: 12, gid: 34, mode: 0o100640 });
    expect(lstatSync(at("a/b"))).toMatchObject({ uid: 12, gid: 34, mode: 0o040750 });
    expect(lstatSync(at("a/dir"))).toMatchObject({ uid: 5, gid: 6, mode: 0o040711 });
    expect(readlinkSync(at("a/link"))).toBe("/etc/passwd");
    expect(lstatSync(at("a/link"))).toMatchObject({ uid: 7, gid: 8 });
    expect(readdirSync(paths.uploads)).toEqual([]);
  });

  test("a file comes in pieces and appears when it is complete", () => {
    receive("big", { data: Buffer.from("one,"), file_size: 8n });
    expect(existsSync(at("big"))).toBe(false);
    receive("big", { data: Buffer.from("two!"), file_size: 8n, offset: 4n });
    expect(readFileSync(at("big"), "utf8")).toBe("one,two!");
    receive("empty");
    expect(readFileSync(at("empty"), "utf8")).toBe("");
  });

  test("replaces what is there: a file, a directory with content, a link", () => {
    receive("x", text("first"));
    receive("x", text("second"));
    expect(readFileSync(at("x"), "utf8")).toBe("second");
    receive("x", { file_mode: directory });
    receive("x/inside", text("content"));
    receive("x", { file_mode: directory });
    expect(readdirSync(at("x"))).toEqual(["inside"]);
    receive("x", text("elsewhere", { file_mode: symlink }));
    expect(readlinkSync(at("x"))).toBe("elsewhere");
    receive("x", text("file"));
    expect(lstatSync(at("x")).isFile()).toBe(true);
  });

  test("V1: an update in Kubernetes' layout swaps the ..data link at once and leaves no gap", () => {
    const deliver = (stamp: string, content: string): void => {
      receive(`vol/..${stamp}/key`, text(content));
      receive("vol/..data", text(`..${stamp}`, { file_mode: symlink }));
      receive("vol/key", text("..data/key", { file_mode: symlink }));
    };
    deliver("2026_01", "old");
    expect(readFileSync(at("vol/key"), "utf8")).toBe("old");
    const held = lstatSync(at("vol/..data"));
    deliver("2026_02", "new");
    expect(readFileSync(at("vol/key"), "utf8")).toBe("new");
    expect(lstatSync(at("vol/..data")).ino).not.toBe(held.ino);
    expect(readFileSync(at("vol/..2026_01/key"), "utf8")).toBe("old");
    expect(readdirSync(at("vol")).sort()).toEqual(["..2026_01", "..2026_02", "..data", "key"]);
  });

  test.each([
    "/etc/passwd",
    "/",
    "$shared",
    "$shared2/x",
    "$shared/../uploads/x",
    "$shared/../../x",
    "$shared/a/../../../x",
    "$shared/a//b",
    "$shared/./a",
    "$shared/a/",
    "$shared/.",
    "$shared/a\0b",
    "relative",
    "",
  ])("threat 51: path %j is refused", (pattern) => {
    const path = pattern.replace("$shared", paths.sharedContainers);
    expect(() => receiver.receive({ ...request("x", text("evil")), path })).toThrow(/prefix from|shortest form/);
    expect(readdirSync(paths.sharedContainers)).toEqual([]);
    expect(readdirSync(paths.uploads)).toEqual([]);
  });

  test("threat 51: CopyFile does not follow a symlink at the leaf", () => {
    symlinkSync(join(root, "canary"), at("leaf"));
    receive("leaf", text("evil"));
    expect(lstatSync(at("leaf")).isFile()).toBe(true);
    symlinkSync(root, at("dir"));
    receive("dir", { file_mode: directory, uid: 99 });
    expect(lstatSync(at("dir")).isDirectory()).toBe(true);
    expect(lstatSync(root).uid).toBe(0);
  });

  test.each(["absolute", "relative", "inside"])("threat 51: nor one at a parent (%s)", (kind) => {
    const target = { absolute: root, relative: "../../..", inside: "real" }[kind] ?? "";
    mkdirSync(at("real"));
    receive("parent", text(target, { file_mode: symlink }));
    for (const mode of [regular, directory, symlink]) {
      for (const path of ["parent/canary", "parent/new", "parent/deep/new"]) {
        expect(() => receive(path, text("evil", { file_mode: mode }))).toThrow("path leads through a link");
      }
    }
    expect(readdirSync(at("real"))).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(["canary", "run"]);
  });

  test("threat 51: nor one that is put there while a file is coming in", () => {
    receive("vol/file", { data: Buffer.from("1234"), file_size: 8n });
    rmSync(at("vol"), { recursive: true });
    symlinkSync(root, at("vol"));
    expect(() => receive("vol/file", { data: Buffer.from("5678"), file_size: 8n, offset: 4n })).toThrow();
    expect(readdirSync(root).sort()).toEqual(["canary", "run"]);
  });

  test("threat 51: a file with a second name outside keeps its content there", () => {
    linkSync(join(root, "canary"), at("twin"));
    receive("twin", text("evil"));
    expect(readFileSync(at("twin"), "utf8")).toBe("evil");
  });

  test("threat 51: nothing is copied into, or removed with, what is mounted below", () => {
    mkdirSync(at("vol/mounted"), { recursive: true });
    mount({ source: "tmpfs", target: at("vol/mounted"), type: "tmpfs" });
    try {
      writeFileSync(at("vol/mounted/data"), "volume");
      expect(() => receive("vol/mounted/data", text("evil"))).toThrow("path leads through a link or mount");
      expect(() => receive("vol", text("evil"))).toThrow();
      expect(readFileSync(at("vol/mounted/data"), "utf8")).toBe("volume");
    } finally {
      unmount(at("vol/mounted"));
    }
  });

  test("threat 52: of the sixteen types only three are made, whatever the other bits say", () => {
    for (let type = 0; type < 16; type++) {
      const mode = (type << 12) | 0o644;
      const name = `type-${type}`;
      const made = { 4: "directory", 8: "file", 10: "link" }[type];
      if (made === undefined) expect(() => receive(name, text("x", { file_mode: mode }))).toThrow("only files");
      else receive(name, text("x", { file_mode: mode }));
      const status = lstatSync(at(name), { throwIfNoEntry: false });
      const kind = status?.isDirectory()
        ? "directory"
        : status?.isFile()
          ? "file"
          : status?.isSymbolicLink()
            ? "link"
            : undefined;
      expect(kind).toBe(made);
    }
  });

  test("threat 52: no setuid, setgid or sticky bits, no owner below zero", () => {
    receive("file", text("x", { file_mode: 0o107755 }));
    receive("dir", { file_mode: 0o047755 });
    expect(lstatSync(at("file")).mode & 0o7777).toBe(0o755);
    expect(lstatSync(at("dir")).mode & 0o7777).toBe(0o755);
    for (const owner of [{ uid: -1 }, { gid: -1 }, { uid: -2147483648 }]) {
      expect(() => receive("owned", text("x", owner))).toThrow("owner is out of range");
    }
  });

  test("threat 53: sizes and offsets that do not fit are refused without using room", () => {
    const tebibyte = 1n << 40n;
    const bad: Partial<CopyFileRequest>[] = [
      { offset: tebibyte, file_size: tebibyte + 1n },
      { offset: -1n },
      { file_size: -1n },
      { file_size: 0n },
      { file_size: BigInt(quotaBytes) + 1n },
      { offset: 4n, file_size: 100n },
    ];
    for (const more of bad) expect(() => receive("sparse", text("data", more))).toThrow();
    expect(existsSync(at("sparse"))).toBe(false);
  });

  test("threat 53: pieces have to follow one another", () => {
    receive("f", { data: Buffer.from("1234"), file_size: 12n });
    for (const offset of [0n + 3n, 5n, 8n]) {
      expect(() => receive("f", { data: Buffer.from("5678"), file_size: 12n, offset })).toThrow("does not follow");
    }
    expect(() => receive("f", { data: Buffer.from("5678"), file_size: 99n, offset: 4n })).toThrow("does not follow");
    receive("f", { data: Buffer.from("5678"), file_size: 12n, offset: 4n });
    receive("f", { data: Buffer.from("9abc"), file_size: 12n, offset: 8n });
    expect(readFileSync(at("f"), "utf8")).toBe("123456789abc");
  });

  test("threat 53: interleaved uploads stay intact, though their names share a stem", () => {
    const contents = new Map(["a.x", "a.y", "a.tmp", "a"].map((name) => [name, `content of ${name}!`.padEnd(32, ".")]));
    for (let offset = 0; offset < 32; offset += 8) {
      for (const [name, content] of contents) {
        receive(name, { data: Buffer.from(content.slice(offset, offset + 8)), file_size: 32n, offset: BigInt(offset) });
      }
    }
    for (const [name, content] of contents) expect(readFileSync(at(name), "utf8")).toBe(content);
  });

  test("threat 53: there is a quota over all, and replaced files give room back", () => {
    const half = Buffer.alloc(quotaBytes / 2 - 64 * 1024);
    for (let round = 0; round < 5; round++) receive("same", { data: half, file_size: BigInt(half.length) });
    receive("other", { data: half, file_size: BigInt(half.length) });
    expect(() => receive("third", { data: half, file_size: BigInt(half.length) })).toThrow("too much room");
    let count = 0;
    expect(() => {
      for (; count < 10_000; count++) receive(`d-${count}`, { file_mode: directory });
    }).toThrow("too much room");
    expect(count).toBeGreaterThan(5);
  });

  test("threat 53: an update that is sent again and again takes no more room than the first time", () => {
    const updates = quotaBytes / 4096 + 1;
    for (let round = 0; round < updates; round++) {
      receive("vol/dir", { file_mode: directory });
      receive("vol/..data", text("dir", { file_mode: symlink }));
      receive("vol/dir/key", text("value"));
    }
    expect(readFileSync(at("vol/..data/key"), "utf8")).toBe("value");
  });

  test("threat 53: what a container has made of a file gives the host no room", () => {
    receive("log", text("x"));
    writeFileSync(at("log"), Buffer.alloc(quotaBytes));
    receive("log", text("x"));
    const most = Buffer.alloc(quotaBytes - 64 * 1024);
    receive("most", { data: most, file_size: BigInt(most.length) });
    expect(() => receive("more", { data: most, file_size: BigInt(most.length) })).toThrow("too much room");
    writeFileSync(at("log"), Buffer.alloc(quotaBytes));
    receive("log", text("x"));
    expect(() => receive("more", { data: most, file_size: BigInt(most.length) })).toThrow("too much room");
  });

  test("threat 53: when there are too many uploads, the one that has rested longest goes", () => {
    receive("active", { data: Buffer.from("1"), file_size: 3n });
    for (let index = 0; index < 63; index++) receive(`part-${index}`, { data: Buffer.from("x"), file_size: 2n });
    receive("active", { data: Buffer.from("2"), file_size: 3n, offset: 1n });
    receive("one-more", { data: Buffer.from("x"), file_size: 2n });
    receive("active", { data: Buffer.from("3"), file_size: 3n, offset: 2n });
    expect(readFileSync(at("active"), "utf8")).toBe("123");
  });

  test("threat 53: a copy that fails keeps no room", () => {
    receive("file", text("in the way"));
    for (let round = 0; round < quotaBytes / 4096 + 1; round++) {
      for (const file_mode of [directory, symlink, regular]) {
        expect(() => receive("file/below", text("x", { file_mode }))).toThrow(/ENOTDIR|Not a directory/i);
      }
    }
    expect(readdirSync(paths.uploads)).toEqual([]);
    receive("other", text("content"));
  });

  test("threat 53: directories that a path brings along count, and it cannot bring many", () => {
    let count = 0;
    expect(() => {
      for (; count < 10_000; count++) receive(`${count}/${"d/".repeat(60)}f`, { file_mode: directory });
    }).toThrow("too much room");
    expect(count).toBeLessThan(quotaBytes / (60 * 4096));
    expect(() => receive(`${"d/".repeat(65)}f`, { file_mode: directory })).toThrow("too deep");
  });

  test("threat 53: uploads that are not continued go away, and there are not many of them", () => {
    for (let index = 0; index < 200; index++) receive(`part-${index}`, { data: Buffer.from("x"), file_size: 2n });
    expect(readdirSync(paths.uploads).length).toBeLessThanOrEqual(64);
    now += uploadIdleMs + 1;
    receive("last", text("x"));
    expect(readdirSync(paths.uploads)).toEqual([]);
    expect(() => receive("part-199", { data: Buffer.from("y"), file_size: 2n, offset: 1n })).toThrow("does not follow");
  });

  test("links have a target of a path's length, without zero bytes", () => {
    for (const target of ["", "a\0b", "x".repeat(4096)]) {
      expect(() => receive("link", text(target, { file_mode: symlink }))).toThrow("link target is malformed");
    }
    expect(readdirSync(paths.uploads)).toEqual([]);
  });

  test("whatever a host sends in whatever order, nothing outside the shared directory changes", () => {
    const name = fc.constantFrom("a", "b", "..data", "..", ".", "link", "a.tmp", "\u00e9", "");
    const step = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")),
      type: fc.constantFrom(regular, directory, symlink, 0o060644, 0o020644),
      data: fc.constantFrom("", "x", "..", "../../canary", "/", "a"),
      offset: fc.constantFrom(0n, 0n, 0n, 1n, -1n),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        for (const { path, type, data, offset } of steps) {
          try {
            receive(path, text(data, { file_mode: type, offset }));
          } catch {
            // Refusals are fine; what matters is what is there afterwards.
          }
        }
        expect(readFileSync(join(root, "canary"), "utf8")).toBe("untouched");
        expect(readdirSync(root).sort()).toEqual(["canary", "run"]);
        expect(readdirSync(dirname(paths.sharedContainers)).sort()).toEqual(["containers", "uploads"]);
      }),
      { numRuns: 60 },
    );
  });
});
