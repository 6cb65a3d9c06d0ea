import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LayerUnpacker, type UnpackedLayer } from "../../guest/oci/layer/unpacker.ts";
import { defaultImageLimits, type ImageLimits } from "../../guest/oci/limits.ts";
import { TarReader } from "../../guest/oci/tar/reader.ts";
import { Directory } from "../../guest/sys/directory.ts";
import { gnuLongHeader, type TarEntryInit, tarArchive } from "../registry/tar-writer.ts";

/** Holds the layer's directory `root` and a canary beside it that no archive may touch. */
let jail: string;
let canary: string;

beforeEach(() => {
  jail = mkdtempSync(join(tmpdir(), "podkeep-unpack-"));
  canary = join(jail, "canary");
  writeFileSync(canary, "alive", { mode: 0o600 });
});

afterEach(() => {
  expect(readFileSync(canary, "utf8")).toBe("alive");
  expect(statSync(canary)).toMatchObject({ nlink: 1, uid: 0 });
  expect(statSync(canary).mode & 0o7777).toBe(0o600);
  expect(readdirSync(jail).sort()).toEqual(["canary", "root"]);
  rmSync(jail, { recursive: true });
});

function unpack(...entries: (TarEntryInit | Buffer)[]): UnpackedLayer {
  return unpackWithin(defaultImageLimits, ...entries);
}

function unpackWithin(limits: ImageLimits, ...entries: (TarEntryInit | Buffer)[]): UnpackedLayer {
  using parent = Directory.open(jail);
  const unpacker = new LayerUnpacker(parent, "root", limits);
  const reader = new TarReader(unpacker, limits);
  try {
    reader.write(tarArchive(entries));
    reader.end();
    return unpacker.finish();
  } finally {
    unpacker.close();
  }
}

const inRoot = (path: string) => join(jail, "root", path);
const isWhiteout = (path: string) => lstatSync(inRoot(path)).isCharacterDevice() && lstatSync(inRoot(path)).rdev === 0;
const attribute = (path: string, name: string) => {
  using root = Directory.open(inRoot("."));
  return root.attribute(path, name);
};
const refused = expect.objectContaining({ kind: "invalid-image" });

describe("unpacking", () => {
  test("owner, mode, time and kind are those of the archive", () => {
    const result = unpack(
      { name: "./", type: "5", mode: 0o711, uid: 5, gid: 6, mtime: 1000 },
      { name: "d", type: "5", mode: 0o1770, uid: 7, gid: 8, mtime: 2000 },
      { name: "d/suid", content: "x", mode: 0o6755, uid: 1, gid: 2, mtime: 3000 },
      { name: "d/link", type: "2", linkName: "/nowhere", uid: 3, gid: 4, mtime: 4000 },
      { name: "d/hard", type: "1", linkName: "d/suid" },
      { name: "d/fifo", type: "6", mode: 0o640 },
      { name: "d/null", type: "3", mode: 0o666, deviceMajor: 1, deviceMinor: 3 },
      { name: "d/loop", type: "4", mode: 0o660, deviceMajor: 7, deviceMinor: 1 },
    );
    const look = (path: string) => {
      const { mode, uid, gid, mtimeMs } = lstatSync(inRoot(path));
      return [(mode & 0o7777).toString(8), uid, gid, mtimeMs / 1000];
    };
    expect(look(".")).toEqual(["711", 5, 6, 1000]);
    expect(look("d")).toEqual(["1770", 7, 8, 2000]);
    expect(look("d/suid")).toEqual(["6755", 1, 2, 3000]);
    expect(look("d/link")).toEqual(["777", 3, 4, 4000]);
    expect(readlinkSync(inRoot("d/link"))).toBe("/nowhere");
    expect(lstatSync(inRoot("d/hard")).ino).toBe(lstatSync(inRoot("d/suid")).ino);
    expect(lstatSync(inRoot("d/fifo")).isFIFO()).toBe(true);
    expect(lstatSync(inRoot("d/null"))).toMatchObject({ rdev: (1 << 8) | 3 });
    expect(lstatSync(inRoot("d/loop")).isBlockDevice()).toBe(true);
    expect(result).toMatchObject({ entries: 8, hasRootEntry: true, impliedDirectories: [] });
  });

  test("file capabilities survive the change of owner; user attributes are kept, others left out", () => {
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    unpack({
      name: "ping",
      content: "x",
      uid: 1000,
      pax: {
        "SCHILY.xattr.security.capability": capability,
        "SCHILY.xattr.user.note": "hi",
        "SCHILY.xattr.security.selinux": "label",
        "SCHILY.xattr.user.overlay.opaque": "y",
      },
    });
    expect(attribute("ping", "security.capability")?.equals(capability)).toBe(true);
    expect(attribute("ping", "user.note")?.toString()).toBe("hi");
    expect(attribute("ping", "user.overlay.opaque")).toBeUndefined();
    expect(attribute("ping", "security.selinux")?.toString()).not.toBe("label");
  });

  test("directories without an entry are made and reported, unless their entry comes later", () => {
    const result = unpack({ name: "a/b/file" }, { name: "a/b/", type: "5", mode: 0o700 });
    expect(result.impliedDirectories.map(String)).toEqual(["a"]);
    expect(lstatSync(inRoot("a/b")).mode & 0o777).toBe(0o700);
  });

  test("whiteouts take overlayfs' form", () => {
    unpack({ name: "a/.wh.gone" }, { name: "a/.wh..wh..opq" }, { name: ".wh..wh.plnk/1.2" });
    expect(isWhiteout("a/gone")).toBe(true);
    expect(attribute("a", "trusted.overlay.opaque")?.toString()).toBe("y");
    expect(readdirSync(inRoot("."))).toEqual(["a"]);
  });

  test("whiteouts concern the layers below only, in whatever order", () => {
    unpack(
      { name: ".wh.file" },
      { name: "file", content: "new" },
      { name: ".wh.dir" },
      { name: "dir/", type: "5" },
      { name: ".wh.tree" },
      { name: "tree/leaf" },
      { name: "late", content: "kept" },
      { name: ".wh.late" },
      { name: "lated/", type: "5" },
      { name: ".wh.lated" },
    );
    expect(readFileSync(inRoot("file"), "utf8")).toBe("new");
    expect(readFileSync(inRoot("late"), "utf8")).toBe("kept");
    for (const path of ["dir", "tree", "lated"]) {
      expect(attribute(path, "trusted.overlay.opaque")?.toString(), path).toBe("y");
    }
  });

  test("an opaque root is reported: overlayfs doesn't look there", () => {
    expect(unpack({ name: ".wh..wh..opq" })).toMatchObject({ opaqueRoot: true });
  });

  test("a later entry of the same name replaces the earlier one, a directory is kept", () => {
    unpack(
      { name: "a", content: "first" },
      { name: "a", content: "second" },
      { name: "d/", type: "5", mode: 0o700, mtime: 1000 },
      { name: "d/x" },
      { name: "d/", type: "5", mode: 0o755, mtime: 2000 },
    );
    expect(readFileSync(inRoot("a"), "utf8")).toBe("second");
    expect(readdirSync(inRoot("d"))).toEqual(["x"]);
    expect(lstatSync(inRoot("d")).mode & 0o777).toBe(0o755);
    expect(lstatSync(inRoot("d")).mtimeMs).toBe(2_000_000);
  });

  test("GNU tar's archives unpack to the same tree", () => {
    const source = mkdtempSync(join(tmpdir(), "podkeep-source-"));
    try {
      execFileSync(
        "sh",
        [
          "-c",
          `mkdir -p d/${"n".repeat(120)}/${"m".repeat(120)} && echo hi > d/f && ln d/f d/g && ln -s f d/l && mkfifo p`,
        ],
        {
          cwd: source,
        },
      );
      const archive = execFileSync("tar", ["--format=gnu", "-c", "."], { cwd: source });
      unpack(...splitOffEnd(archive));
      const listing = (directory: string) =>
        execFileSync("find", [".", "-printf", "%p %y %m %n %l\n"], { cwd: directory, encoding: "utf8" });
      expect(listing(inRoot(".")).split("\n").sort()).toEqual(listing(source).split("\n").sort());
    } finally {
      rmSync(source, { recursive: true });
    }
  });
});

/** An archive without its end marker, to be put into another one. */
function splitOffEnd(archive: Buffer): Buffer[] {
  let end = archive.length;
  while (archive.subarray(end - 512, end).every((byte) => byte === 0)) end -= 512;
  return [archive.subarray(0, end)];
}

describe("threat 108: directories are remembered until the layer's end, so their paths are bounded", () => {
  const limits = { ...defaultImageLimits, maxDirectoryPathBytes: 1000 };
  const many = Array.from({ length: 60 }, (_, index) => `${"n".repeat(20)}/${index}`);

  test.each<[string, TarEntryInit[]]>([
    ["with entries", many.map((name) => ({ name, type: "5" }))],
    ["implied by files", many.map((name) => ({ name: `${name}/file` }))],
    ["implied by one deep file", [{ name: `${"d/".repeat(45)}file` }]],
  ])("%s", (_name, entries) => {
    expect(() => unpackWithin(limits, ...entries)).toThrow(expect.objectContaining({ kind: "limit" }));
  });
});

describe("threat 107: hostile archives", () => {
  test.each<[string, TarEntryInit[]]>([
    ["climbs", [{ name: "../canary", content: "dead" }]],
    ["climbs inside", [{ name: "a/../b", content: "x" }]],
    ["climbs at the end", [{ name: "a/..", type: "5" }]],
    ["climbs by a PAX name", [{ name: "x", pax: { path: "../canary" } }]],
    ["hard link out", [{ name: "l", type: "1", linkName: "../canary" }]],
    ["hard link to nothing", [{ name: "l", type: "1", linkName: "missing" }]],
    [
      "hard link to a directory",
      [
        { name: "d/", type: "5" },
        { name: "l", type: "1", linkName: "d" },
      ],
    ],
    ["hard link to the root", [{ name: "l", type: "1", linkName: "/" }]],
    ["hard link to a whiteout", [{ name: ".wh.x" }, { name: "l", type: "1", linkName: "x" }]],
    ["an empty symbolic link", [{ name: "l", type: "2", linkName: "" }]],
    ["a whiteout device", [{ name: "x", type: "3", deviceMajor: 0, deviceMinor: 0 }]],
    ["a block device 0:0", [{ name: "x", type: "4" }]],
    ["a device number out of range", [{ name: "x", type: "3", deviceMajor: 0x1000, deviceMinor: 1 }]],
    ["a whiteout of nothing", [{ name: "a/.wh." }]],
    ["a whiteout of .", [{ name: "a/.wh.." }]],
    ["a whiteout of ..", [{ name: "a/.wh..." }]],
    ["an entry in a whiteout", [{ name: ".wh.x/y" }]],
    ["an entry in an opaque marker", [{ name: ".wh..wh..opq/y" }]],
    [
      "overlayfs' own attributes",
      [{ name: "d/", type: "5", pax: { "SCHILY.xattr.trusted.overlay.redirect": "/etc" } }],
    ],
    ["owner -1", [{ name: "x", uid: 0xffff_ffff }]],
    ["group beyond 32 bits", [{ name: "x", pax: { gid: "4294967296" } }]],
    ["a file over a directory", [{ name: "d/", type: "5" }, { name: "d" }]],
    ["a directory over a file", [{ name: "d" }, { name: "d/", type: "5" }]],
    ["a file below a file", [{ name: "f" }, { name: "f/x" }]],
    ["a root that is a link", [{ name: "./", type: "2", linkName: "/etc" }]],
    [
      "a loop of links",
      [{ name: "a", type: "2", linkName: "b" }, { name: "b", type: "2", linkName: "a" }, { name: "a/x" }],
    ],
    ["a link to what only layers below have", [{ name: "bin", type: "2", linkName: "usr/bin" }, { name: "bin/x" }]],
    [
      "a directory over a link",
      [
        { name: "l", type: "2", linkName: "/" },
        { name: "l/", type: "5", mode: 0o777 },
      ],
    ],
    ["a very deep path", [{ name: "x", pax: { path: `${"a/".repeat(300)}x` } }]],
    ["a very long path", [{ name: "x", pax: { path: `${"a".repeat(200)}/`.repeat(21) } }]],
  ])("%s is refused", (_name, entries) => {
    expect(() => unpack(...entries)).toThrow(refused);
  });

  test.each(["../..", "/", "../../../../../../..", "/proc/self/root"])(
    "writing through a link to %s stays inside",
    (target) => {
      let failed = false;
      try {
        unpack(
          { name: "l", type: "2", linkName: target },
          { name: "l/planted", content: "x", mode: 0o777 },
          { name: `l/${jail.slice(1)}/canary`, content: "dead" },
        );
      } catch {
        failed = true; // a link that leads nowhere in the layer
      }
      expect(failed || lstatSync(inRoot("planted")).isFile()).toBe(true);
    },
  );

  test("a link as the last component is replaced, not written through", () => {
    unpack({ name: "l", type: "2", linkName: canary }, { name: "l", content: "mine" });
    expect(readFileSync(inRoot("l"), "utf8")).toBe("mine");
  });

  test("metadata of a link goes to the link", () => {
    unpack({ name: "l", type: "2", linkName: canary, uid: 1234, mode: 0o777 });
    expect(lstatSync(inRoot("l")).uid).toBe(1234);
  });

  test("a hard link through a link stays inside", () => {
    const entries = [
      { name: "l", type: "2", linkName: jail },
      { name: "h", type: "1", linkName: "l/canary" },
    ];
    expect(() => unpack(...entries)).toThrow(refused);
  });

  test("absolute names land inside", () => {
    unpack({ name: "/etc/passwd", content: "mine" }, { name: "///x" });
    expect(readFileSync(inRoot("etc/passwd"), "utf8")).toBe("mine");
  });

  test("threat 132: names are bytes, and . and empty ones mean nothing", () => {
    const raw = Buffer.from([0x66, 0xff, 0xc0, 0xaf]);
    unpack({ name: raw }, { name: "./a/./b//c" }, { name: "A" }, { name: "a\\..\\x" }, { name: "n\u0303" });
    const names = readdirSync(inRoot("."), { encoding: "buffer" }).map((name) => name.toString("hex"));
    expect(names.sort()).toEqual(
      [raw, "A", "a", "a\\..\\x", "n\u0303"].map((name) => Buffer.from(name).toString("hex")).sort(),
    );
    expect(readdirSync(inRoot("a/b"))).toEqual(["c"]);
  });

  test("a name longer than the kernel takes fails", () => {
    expect(() => unpack(gnuLongHeader("L", "n".repeat(256)), { name: "x" })).toThrow("ENAMETOOLONG");
  });

  test("a hard link to itself changes nothing", () => {
    unpack(
      { name: "a", content: "x" },
      { name: "a", type: "1", linkName: "a" },
      { name: "b", type: "1", linkName: "a" },
      { name: "b", type: "1", linkName: "a" },
    );
    expect(readFileSync(inRoot("a"), "utf8")).toBe("x");
    expect(lstatSync(inRoot("b")).nlink).toBe(2);
  });
});
