import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { detectTee } from "../../guest/attest/detect.ts";
import { createPlatformProbe } from "../../guest/attest/platform.ts";
import { openTdxMeasurements } from "../../guest/attest/tdx/measurement-files.ts";
import { FakeTsm } from "./fake-tsm.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "podkeep-platform-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("the probe looks at real files and asks configfs-tsm once", async () => {
  const tsm = new FakeTsm("tdx_guest", () => ({ outblob: Buffer.alloc(0) }));
  const probe = await createPlatformProbe({ tsm, hclReportType: undefined, tpmDevice: undefined, architecture: "x64" });
  writeFileSync(join(root, "text"), "1\n");
  expect(probe.readText(join(root, "text"))).toBe("1");
  expect(probe.readText(join(root, "nothing"))).toBeUndefined();
  expect([probe.exists(root), probe.exists(join(root, "nothing"))]).toEqual([true, false]);
  expect([detectTee(probe), detectTee(probe), tsm.attempts, tsm.entries.size]).toEqual(["tdx", "tdx", 1, 0]);
});

test("TDX registers are read and written as whole files at their place", async () => {
  const directory = join(root, "measurements");
  mkdirSync(directory);
  writeFileSync(join(directory, "rtmr3:sha384"), Buffer.alloc(48));
  const files = openTdxMeasurements(directory);
  await files.write("rtmr3:sha384", Buffer.alloc(48, 7));
  expect(readFileSync(join(directory, "rtmr3:sha384"))).toEqual(Buffer.alloc(48, 7));
  expect(await files.read("rtmr3:sha384")).toEqual(Buffer.alloc(48, 7));
  expect(await files.read("mrconfigid")).toBeUndefined();
  await expect(files.write("../escape", Buffer.alloc(48))).rejects.toThrow();
  writeFileSync(join(directory, "long"), Buffer.alloc(49));
  await expect(files.read("long")).rejects.toMatchObject({ code: "resource-exhausted" });
});
