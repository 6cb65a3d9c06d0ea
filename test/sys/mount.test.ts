import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { descriptorPath } from "../../guest/sys/descriptor.ts";
import { Directory } from "../../guest/sys/directory.ts";
import {
  bindMount,
  isMountPoint,
  mount,
  mountFlags,
  parseMountOptions,
  parseMountTable,
  readMountTable,
  unmount,
} from "../../guest/sys/mount.ts";
import { isRoot } from "./root.ts";
import { failureOf, temporaryDirectory } from "./support.ts";

describe.skipIf(!isRoot)("mounting", () => {
  test("a tmpfs with flags and data, seen in the table, gone after unmount", () => {
    const target = path.join(temporaryDirectory(), "with space\\and#");
    fs.mkdirSync(target);
    mount({
      source: "shm",
      target,
      type: "tmpfs",
      flags: mountFlags.nosuid | mountFlags.nodev | mountFlags.noexec,
      data: "mode=1770,size=65536",
    });
    const entry = readMountTable().find((candidate) => candidate.mountPoint === target);
    expect(entry).toMatchObject({ type: "tmpfs", source: "shm", root: "/" });
    expect(entry?.options).toEqual(expect.arrayContaining(["rw", "nosuid", "nodev", "noexec"]));
    expect(entry?.superOptions).toEqual(expect.arrayContaining(["size=64k", "mode=1770"]));
    unmount(target);
    expect(isMountPoint(target)).toBe(false);
    expect(failureOf(() => unmount(target)).message).toBe("EINVAL: Invalid argument");
  });

  test("a read-only bind mount is read-only for the mounts below it, too", () => {
    const directory = temporaryDirectory();
    const [source, target] = [path.join(directory, "source"), path.join(directory, "target")];
    fs.mkdirSync(path.join(source, "sub"), { recursive: true });
    fs.mkdirSync(target);
    mount({ source: "tmpfs", target: path.join(source, "sub"), type: "tmpfs" });
    try {
      bindMount(source, target, { readonly: true });
      expect(failureOf(() => fs.writeFileSync(path.join(target, "x"), "")).message).toMatch(/EROFS/);
      expect(failureOf(() => fs.writeFileSync(path.join(target, "sub/x"), "")).message).toMatch(/EROFS/);
      fs.writeFileSync(path.join(source, "sub/x"), "the source stays writable");
      unmount(target, { lazy: true });
      bindMount(source, target, { recursive: false });
      expect(fs.readdirSync(path.join(target, "sub"))).toEqual([]);
      unmount(target);
    } finally {
      unmount(path.join(source, "sub"));
    }
    expect(readMountTable().filter((entry) => entry.mountPoint.startsWith(directory))).toEqual([]);
  });

  test("threat 40: a held descriptor is the place, whatever its name has become", () => {
    const base = temporaryDirectory();
    fs.mkdirSync(path.join(base, "target"));
    fs.mkdirSync(path.join(base, "victim"));
    using directory = Directory.open(base);
    const fd = directory.openPath("target");
    fs.renameSync(path.join(base, "target"), path.join(base, "moved"));
    fs.symlinkSync("victim", path.join(base, "target"));
    mount({ source: "tmpfs", target: descriptorPath(fd), type: "tmpfs" });
    fs.closeSync(fd);
    expect(isMountPoint(path.join(base, "moved"))).toBe(true);
    expect(isMountPoint(path.join(base, "victim"))).toBe(false);
    unmount(path.join(base, "moved"));
  });

  test("unmount doesn't follow a link", () => {
    const base = temporaryDirectory();
    fs.mkdirSync(path.join(base, "mounted"));
    fs.symlinkSync("mounted", path.join(base, "link"));
    mount({ source: "tmpfs", target: path.join(base, "mounted"), type: "tmpfs" });
    expect(failureOf(() => unmount(path.join(base, "link"))).message).toMatch(/^EINVAL/);
    expect(isMountPoint(path.join(base, "mounted"))).toBe(true);
    unmount(path.join(base, "mounted"));
  });

  test("data that the kernel would cut is refused, as is a NUL", () => {
    const target = temporaryDirectory();
    const data = `size=1,${"x".repeat(5000)}`;
    expect(failureOf(() => mount({ source: "t", target, type: "tmpfs", data })).message).toMatch(/over 4095 bytes/);
    expect(failureOf(() => mount({ source: "t\0", target, type: "tmpfs" })).message).toMatch(/^EINVAL/);
    expect(isMountPoint(target)).toBe(false);
  });
});

describe("options", () => {
  test("flags, data and propagation are told apart; the last word wins", () => {
    expect(parseMountOptions(["nosuid", "ro", "size=1k", "rw", "mode=755", "rslave", "ro", ""])).toEqual({
      flags: mountFlags.nosuid | mountFlags.readonly,
      data: "size=1k,mode=755",
      propagation: { kind: "slave", recursive: true },
    });
    expect(parseMountOptions(["rbind", "exec", "defaults", "private"])).toEqual({
      flags: mountFlags.bind | mountFlags.recursive,
      data: "",
      propagation: { kind: "private", recursive: false },
    });
    expect(parseMountOptions([])).toEqual({ flags: 0, data: "", propagation: undefined });
  });

  test("names of objects are just unknown options", () => {
    expect(parseMountOptions(["__proto__", "constructor"]).data).toBe("__proto__,constructor");
  });
});

test("the mount table: optional fields, escapes, broken lines", () => {
  const text = [
    "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue",
    "40 36 0:5 / /a\\134b rw - tmpfs none rw",
    "garbage",
    "",
  ].join("\n");
  expect(parseMountTable(text)).toEqual([
    {
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/mnt1",
      mountPoint: "/mnt 2",
      options: ["rw", "noatime"],
      type: "ext3",
      source: "/dev/root",
      superOptions: ["rw", "errors=continue"],
    },
    expect.objectContaining({ mountPoint: "/a\\b", source: "none" }),
  ]);
});
