import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refuseToFormat } from "../../../guest/hub/secure-mount/signature.ts";
import { systemStorageTools } from "../../../guest/hub/secure-mount/storage-tools.ts";
import { type BlockDevice, findBlockDevice } from "../../../guest/sys/block-device.ts";
import { temporaryFolder } from "./luks-fixture.ts";

const hasLoopDevices = spawnSync("losetup", ["--find"]).status === 0 && spawnSync("mkfs.ext4", ["-V"]).status === 0;
if (!hasLoopDevices) console.warn("tests of signatures are skipped: need root, loop devices and mkfs.ext4");

const megabyte = 1024 * 1024;
const signal = new AbortController().signal;

describe.skipIf(!hasLoopDevices)("threat 118: what is on a device that is said to be empty", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let file = "";
  let device: BlockDevice;
  beforeEach(() => {
    folder = temporaryFolder();
    file = join(folder.path, "disk");
    writeFileSync(file, "");
    truncateSync(file, 20 * megabyte);
    // Otherwise the kernel fills what the file lacks with zeros.
    const attach = ["--direct-io=on", "--find", "--show", file];
    device = findBlockDevice(execFileSync("losetup", attach, { encoding: "utf8" }).trim());
  });
  afterEach(() => {
    execFileSync("losetup", ["--detach", device.path]);
    folder[Symbol.dispose]();
  });
  const refuse = (): Promise<void> => refuseToFormat(device, systemStorageTools, signal);

  test("nothing: it may be formatted", async () => {
    await refuse();
  });

  test("a file system: it may not", async () => {
    execFileSync("mkfs.ext4", ["-q", "-F", device.path]);
    await expect(refuse()).rejects.toMatchObject({ code: "failed-precondition" });
  });

  test.each([
    ["at its beginning", 0],
    ["at its end", 12 * megabyte],
  ])("nobody knows, since it can't be read %s: it may not", async (_where, bytes) => {
    if (readFileSync(`/sys/block/${basename(device.path)}/loop/dio`, "utf8").trim() !== "1") {
      console.warn("a test of signatures is skipped: the temporary folder takes no direct I/O");
      return;
    }
    truncateSync(file, bytes);
    execFileSync("blockdev", ["--flushbufs", device.path]);
    await expect(refuse()).rejects.toMatchObject({ errno: "EIO" });
  });
});
