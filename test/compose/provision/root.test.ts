import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type RootFileSystem, readRootFileSystem } from "../../../guest/sys/root-file-system.ts";
import { leftFiles, runProvision, setScene } from "./provision-fixture.ts";

const verityId = "CRYPT-VERITY-38226860f83e453e95084442cc2112aa-root";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** Reads the root from a /proc and a /sys with this mount table and these mapped devices. */
function rootOf(mountTable: string, mapperIds: Readonly<Record<string, string>> = {}): RootFileSystem {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-root-"));
  directories.push(directory);
  const kernel = { proc: join(directory, "proc"), sys: join(directory, "sys") };
  mkdirSync(join(kernel.proc, "self"), { recursive: true });
  writeFileSync(join(kernel.proc, "self/mountinfo"), mountTable);
  for (const [device, id] of Object.entries(mapperIds)) {
    mkdirSync(join(kernel.sys, "dev/block", device, "dm"), { recursive: true });
    writeFileSync(join(kernel.sys, "dev/block", device, "dm/uuid"), `${id}\n`);
  }
  return readRootFileSystem(kernel);
}

const erofsLine =
  "21 1 254:0 / / ro,relatime shared:1 - erofs /dev/mapper/root ro,user_xattr,acl,cache_strategy=readaround\n";
const varLine = "31 21 0:27 / /var rw,nosuid,nodev shared:2 - tmpfs tmpfs rw,size=507296k\n";

describe("the root of an image whose configuration says verity", () => {
  test.each([
    ["a plain partition", "21 1 254:1 / / ro - ext4 /dev/vda1 ro\n", {}, "ext4 without dm-verity"],
    ["an encrypted disk", erofsLine, { "254:0": "CRYPT-LUKS2-00-root" }, "erofs without dm-verity"],
    ["another mapped device than the root's", erofsLine, { "254:1": verityId }, "erofs without dm-verity"],
    [
      "a writable layer over it",
      `${erofsLine}40 21 0:30 / / rw - overlay overlay rw,lowerdir=/,upperdir=/run/u\n`,
      { "254:0": verityId },
      "overlay without dm-verity",
    ],
    [
      "a writable mount",
      "21 1 254:0 / / rw - ext4 /dev/mapper/root rw\n",
      { "254:0": verityId },
      "ext4, mounted writable",
    ],
    ["an initramfs", "1 1 0:2 / / rw - rootfs rootfs rw\n", {}, "rootfs without dm-verity"],
  ])("threat 112: %s starts nothing", async (_, mountTable, mapperIds, found) => {
    const scene = setScene({ root: "verity" });
    const { failure } = await runProvision(scene, { root: rootOf(mountTable, mapperIds) });
    expect(failure).toBe(`provision.root requires a read-only verity root; this one is ${found}`);
    expect(leftFiles(scene)).toEqual({});
  });

  test("threat 112: a read-only verity device starts", async () => {
    const root = rootOf(`${erofsLine}${varLine}`, { "254:0": verityId });
    expect(root).toEqual({ type: "erofs", isReadonly: true, mapperId: verityId });
    expect((await runProvision(setScene({ root: "verity" }), { root })).failure).toBe("");
  });

  test("without that word any root will do", async () => {
    expect((await runProvision(setScene(), { root: rootOf("1 1 0:2 / / rw - rootfs rootfs rw\n") })).failure).toBe("");
  });
});
