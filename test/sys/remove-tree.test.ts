import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Directory } from "../../guest/sys/directory.ts";
import { mount, unmount } from "../../guest/sys/mount.ts";
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

describe("threats 35 and 133: removal follows no link and crosses no mount", () => {
  test("a tree goes, what its links point at stays", () => {
    directory.makeDirectories("tree/deep/er");
    fs.writeFileSync(path.join(base, "tree/deep/file"), "x");
    directory.symlink(outer, "tree/deep/out");
    directory.symlink("../../..", "tree/deep/er/up");
    directory.makeNode("tree/fifo", "fifo", 0o600);
    directory.removeTree("tree");
    directory.removeTree("tree");
    directory.removeTree("never/was/there");
    expect(directory.list()).toEqual([]);
    expect(fs.readFileSync(path.join(outer, "canary"), "utf8")).toBe("alive");
  });

  test("a tree goes however deep it is", () => {
    directory.makeDirectory("tree", 0o700);
    let lowest = directory.openDirectory("tree");
    for (let level = 0; level < 2000; level++) {
      const above = lowest;
      above.makeDirectories("deeper");
      above.symlink("..", "up");
      lowest = above.openDirectory("deeper");
      above.close();
    }
    lowest.close();
    directory.removeTree("tree");
    expect(directory.list()).toEqual([]);
  });

  test.skipIf(!isRoot)("a mounted volume inside survives, and the removal says so", () => {
    directory.makeDirectories("tree/volume");
    const volume = path.join(base, "tree/volume");
    mount({ source: "tmpfs", target: volume, type: "tmpfs" });
    try {
      fs.writeFileSync(path.join(volume, "precious"), "data");
      expect(errnoOf(() => directory.removeTree("tree"))).toBe("EXDEV");
      expect(fs.readFileSync(path.join(volume, "precious"), "utf8")).toBe("data");
    } finally {
      unmount(volume);
    }
  });

  test.skipIf(!isRoot)("a bind mount of the same file system is a mount, too", () => {
    directory.makeDirectories("tree/bound");
    fs.mkdirSync(path.join(outer, "elsewhere"));
    fs.writeFileSync(path.join(outer, "elsewhere/precious"), "data");
    mount({ source: path.join(outer, "elsewhere"), target: path.join(base, "tree/bound"), flags: 4096 });
    try {
      expect(errnoOf(() => directory.removeTree("tree"))).toBe("EXDEV");
      expect(fs.readdirSync(path.join(outer, "elsewhere"))).toEqual(["precious"]);
    } finally {
      unmount(path.join(base, "tree/bound"));
    }
  });
});
