import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  findBlockDevice,
  findBlockDeviceByNumber,
  isBlockDeviceInUse,
  listBlockDevices,
  readFileRange,
  writeFileRange,
} from "../../guest/sys/block-device.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "podkeep-block-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a range is written in place and read again; nothing is read beyond the end", () => {
  const file = join(folder, "disk");
  writeFileSync(file, "0123456789");
  writeFileRange(file, 4, Buffer.from("ab"));
  expect(readFileSync(file, "utf8")).toBe("0123ab6789");
  expect(readFileRange(file, 8, 100).toString()).toBe("89");
  expect(() => writeFileRange(join(folder, "other"), 0, Buffer.from("a"))).toThrow("ENOENT");
});

test("what is no block device is refused, by path, link and number", () => {
  writeFileSync(join(folder, "file"), "");
  symlinkSync("/dev/null", join(folder, "link"));
  expect(() => findBlockDevice(join(folder, "file"))).toThrow("no block device");
  expect(() => findBlockDevice(join(folder, "link"))).toThrow("no block device");
  expect(() => findBlockDevice(join(folder, "missing"))).toThrow("ENOENT");
  expect(() => findBlockDeviceByNumber({ major: 4095, minor: 1 })).toThrow("ENOENT");
});

const [device] = listBlockDevices("/dev", ["vd", "sd", "nvme", "loop"]);
if (device === undefined) console.warn("test/sys/block-device: this machine shows no block device");

test.skipIf(device === undefined)("a device is found by a link to it and by its number", () => {
  const path = join(folder, "link");
  symlinkSync(String(device), path);
  const found = findBlockDevice(path);
  expect(found.path).toBe(device);
  expect(findBlockDeviceByNumber(found.number)).toEqual(found);
  expect(typeof isBlockDeviceInUse(found)).toBe("boolean");
});
