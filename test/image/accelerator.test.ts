import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { imageFiles, imageFolder } from "../../image/folders.ts";
import { bootableKernel } from "../../image/vm/accelerator.ts";

const uki = join(imageFolder, imageFiles.uki);
const isBuilt = existsSync(uki);
if (!isBuilt) console.warn("test/image: no disk image to take a kernel from; `npm run image -- --disk` builds it");

test.skipIf(!isBuilt)("KVM is probed with a kernel whichever image was built", () => {
  const images = mkdtempSync(join(tmpdir(), "podkeep-probe-"));
  onTestFinished(() => rmSync(images, { recursive: true }));
  copyFileSync(uki, join(images, imageFiles.uki));
  const kernel = readFileSync(bootableKernel(images, images));
  // Linux's x86 boot protocol.
  expect(kernel.toString("latin1", 0x202, 0x206)).toBe("HdrS");
  writeFileSync(join(images, imageFiles.leanKernel), "");
  expect(bootableKernel(images, "/nonexistent")).toBe(join(images, imageFiles.leanKernel));
});
