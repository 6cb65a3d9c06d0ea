import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { buildFolder, imageFiles, imageFolder } from "../../image/folders.ts";
import { partitionsOf } from "../../image/sizes.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm, startVirtualMachine } from "../../image/vm/virtual-machine.ts";
import { withPodServices } from "../demo/pod-services.ts";
import { runPodSteps } from "../demo/pod-steps.ts";
import { Steps } from "../demo/steps.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities } from "../stack/identities.ts";
import { awaitRefusal, startPodVm, userDataOf } from "./pod-vm.ts";

const disk = join(imageFolder, imageFiles.disk);
const isWanted = env["PODKEEP_VM"] === "disk" && existsSync(disk);
if (!isWanted) console.warn("test/vm: PODKEEP_VM=disk boots the disk image, which `npm run image -- --disk` builds");

/** Firmware, verity and systemd in a VM whose instructions are translated. */
const timeout = 900_000;

describe.skipIf(!isWanted)("the production disk image in QEMU: UEFI, TPM, verity, systemd", () => {
  let accelerator: Accelerator = "tcg";
  beforeAll(async () => {
    accelerator = await chooseAccelerator();
  });

  test("N4, threat 74: a whole pod; the console, which is the host's, shows nothing of it", { timeout }, async () => {
    const lines: string[] = [];
    const steps = new Steps((text) => lines.push(text), "vm");
    await withPodServices(steps, hostSeenByVm, async (pod) => {
      await using vm = await startPodVm({ variant: "disk", accelerator, initdata: pod.initdata });
      await runPodSteps(steps, { ...vm, log: () => undefined }, pod);
      await vm.machine.ended;
      expect(vm.output()).not.toMatch(/ExecProcessRequest|"level"|FAILED|login:/);
    }).catch((error: unknown) => {
      throw new Error(lines.join(""), { cause: error });
    });
    expect(steps.finish(), lines.join("")).toBe(true);
  });

  test("A12, threat 7: wrong initdata starts nothing; console and worker are told why, then the VM powers off", {
    timeout,
  }, async () => {
    const identities = createIdentities();
    const port = await freePort();
    const userData = userDataOf('algorithm = "md5"\nversion = "0.1.0"\n[data]\n', identities);
    await using machine = await startVirtualMachine({ variant: "disk", accelerator, port, userData });
    expect(await awaitRefusal(machine, identities)).toMatch(/^podkeep provision: .*initdata: algorithm/);
    await machine.ended;
    expect(machine.console()).toMatch(/podkeep provision: .*initdata.*algorithm/);
  });

  test("threat 112: verity stops a VM whose root has one corrupted block", { timeout }, async () => {
    const folder = mkdtempSync(join(buildFolder, "corrupted-"));
    try {
      const corrupted = join(folder, "disk.raw");
      execFileSync("cp", ["--sparse=always", disk, corrupted]);
      flipByte(corrupted, rootStart(corrupted) + 1024);
      const options = { variant: "disk", accelerator, port: await freePort(), disk: corrupted } as const;
      await using machine = await startVirtualMachine(options);
      await machine.ended;
      expect(machine.console()).toMatch(/device-mapper: verity: .*corrupted|Kernel panic .*dm-verity/);
      expect(machine.console()).not.toContain("podkeep provision");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function rootStart(file: string): number {
  const root = partitionsOf(file).find(({ name }) => name === "root-x86-64");
  if (root === undefined) throw new Error("the disk has no root partition");
  return root.start;
}

function flipByte(file: string, position: number): void {
  const descriptor = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, position);
  byte.writeUInt8(byte.readUInt8(0) ^ 0xff);
  writeSync(descriptor, byte, 0, 1, position);
  closeSync(descriptor);
}
