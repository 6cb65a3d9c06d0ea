import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { buildFolder, imageFiles, imageFolder } from "../../image/folders.ts";
import { pathInTools, runInTools } from "../../image/tools-tree.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { startVirtualMachine } from "../../image/vm/virtual-machine.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities } from "../stack/identities.ts";
import { awaitRefusal, userDataOf } from "./pod-vm.ts";
import { type Execute, minimalInitdata, withWriter } from "./writing-pod.ts";

const isBuilt = existsSync(join(imageFolder, imageFiles.leanInitramfs));
const isWanted = env["PODKEEP_VM"] === "1" || isBuilt;
if (!isWanted) console.warn("test/vm: no lean image; `npm run image -- --lean` builds it, PODKEEP_VM=1 demands it");
const disk = join(imageFolder, imageFiles.disk);
const isDiskWanted = env["PODKEEP_VM"] === "disk" && existsSync(disk);

/** A VM whose instructions are translated needs its time, and so does its encryption. */
const timeout = 600_000;

const megabyte = 1024 * 1024;
/** Of the lean VM. */
const memoryMegabytes = 512;
const diskMegabytes = 1280;
/** Written by the container; nobody else has it. */
const unique = "written-by-the-workload-and-nobody-else";
const marker = ["/run/peerpod/scratch-space.marker", ""] as const;

let accelerator: Accelerator = "tcg";
beforeAll(async () => {
  if (isWanted || isDiskWanted) accelerator = await chooseAccelerator();
});

describe.skipIf(!isWanted)("what a container writes, in the lean image in QEMU", () => {
  test("A10, V3: scratch space takes more than the memory; the disk shows nothing of it, and a changed disk is noticed (threat 114)", {
    timeout,
  }, async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "scratch.raw");
    makeScratchDisk(file);
    const megabytes = memoryMegabytes + 128;
    const machine = { variant: "lean", accelerator, memoryMegabytes, extraDisks: [file], scratchSpace: true } as const;
    await withWriter(machine, async ({ execute, isServing }) => {
      expect(await fill(execute, megabytes)).toMatchObject({ status: 0 });
      expect(statSync(file).blocks * 512).toBeGreaterThan(megabytes * megabyte);
      expect(contains(file, unique)).toBe(false);
      changeEverywhere(file);
      const { status, stderr } = await execute("/bin/dd", "if=/fill", "of=/dev/null", "bs=1M");
      expect(status).not.toBe(0);
      expect(stderr).toMatch(/Input\/output error/);
      expect(await isServing()).toBe(true);
    });
  });

  test("A10, V3, threat 120: without scratch space a full root is the container's trouble, and the agent's business goes on", {
    timeout,
  }, async () => {
    await withWriter({ variant: "lean", accelerator, memoryMegabytes }, async ({ execute, isServing }) => {
      const { status, stderr } = await fill(execute, memoryMegabytes);
      expect(status).not.toBe(0);
      expect(stderr).toContain("No space left on device");
      expect(await isServing()).toBe(true);
      expect(await execute("/bin/cat", "/etc/motd")).toMatchObject({ status: 0 });
      await execute("/bin/rm", "/fill");
      expect(await fill(execute, 32)).toMatchObject({ status: 0 });
    });
  });

  test("V3, threat 116: scratch space that is asked for and can't be had starts nothing", { timeout }, async () => {
    using folder = temporaryFolder();
    const files = ["one.raw", "two.raw"].map((name) => join(folder.path, name));
    for (const file of files) makeScratchDisk(file);
    const identities = createIdentities();
    const userData = new Map([...userDataOf(minimalInitdata, identities), marker]);
    const options = { variant: "lean", accelerator, port: await freePort(), userData, extraDisks: files } as const;
    await using machine = await startVirtualMachine(options);
    const line = await awaitRefusal(machine, identities);
    expect(line).toMatch(
      /^podkeep provision: user data asks for scratch space.*several partitions are named trusted_store/,
    );
    await machine.ended;
    expect(machine.console()).toContain("podkeep ended with exit code 1");
  });
});

describe.skipIf(!isDiskWanted)("scratch space of the disk image in QEMU", () => {
  test("A10, V3: a partition is made in the room that the disk has beyond the image", { timeout }, async () => {
    using folder = temporaryFolder();
    const larger = join(folder.path, "larger.raw");
    execFileSync("cp", ["--sparse=always", disk, larger]);
    truncateSync(larger, statSync(disk).size + diskMegabytes * megabyte);
    await withWriter({ variant: "disk", accelerator, disk: larger, scratchSpace: true }, async ({ execute }) => {
      const { stdout } = await execute("/bin/df", "-m", "/");
      expect(Number(/^overlay\s+(\d+)/m.exec(stdout)?.[1])).toBeGreaterThan(diskMegabytes * 0.8);
      expect(await fill(execute, 64)).toMatchObject({ status: 0 });
    });
  });
});

function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(buildFolder, "scratch-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** A disk with nothing but a partition of the name that scratch space has. */
function makeScratchDisk(file: string): void {
  writeFileSync(file, "");
  truncateSync(file, diskMegabytes * megabyte);
  runInTools("sh", ["-c", 'printf "label: gpt\\nname=trusted_store\\n" | sfdisk --quiet "$0"', pathInTools(file)]);
}

function fill(execute: Execute, megabytes: number): ReturnType<Execute> {
  const write = `yes ${unique} | dd of=/fill bs=1M count=${megabytes} iflag=fullblock`;
  return execute("/bin/sh", "-c", `${write} && sync`);
}

/** What a host can do to a disk while the VM runs: a byte in each quarter of a megabyte, the ends left out. */
function changeEverywhere(file: string): void {
  const descriptor = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  for (let position = 64 * megabyte; position < (diskMegabytes - 64) * megabyte; position += megabyte / 4) {
    readSync(descriptor, byte, 0, 1, position);
    byte.writeUInt8(byte.readUInt8(0) ^ 0xff);
    writeSync(descriptor, byte, 0, 1, position);
  }
  closeSync(descriptor);
}

function contains(file: string, text: string): boolean {
  try {
    execFileSync("grep", ["--quiet", "--text", "--fixed-strings", text, file]);
    return true;
  } catch (error) {
    if (error instanceof Error && "status" in error && error.status === 1) return false;
    throw error;
  }
}
