import { existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { imageFiles, imageFolder } from "../../image/folders.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm, startVirtualMachine } from "../../image/vm/virtual-machine.ts";
import { withPodServices } from "../demo/pod-services.ts";
import { runPodSteps } from "../demo/pod-steps.ts";
import { Steps } from "../demo/steps.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities } from "../stack/identities.ts";
import { awaitRefusal, startPodVm, userDataOf } from "./pod-vm.ts";
import { computedRegisters, registersOn } from "./registers.ts";

const isBuilt = existsSync(join(imageFolder, imageFiles.leanInitramfs));
const isWanted = env["PODKEEP_VM"] === "1" || isBuilt;
if (!isWanted) console.warn("test/vm: no lean image; `npm run image -- --lean` builds it, PODKEEP_VM=1 demands it");

/** A VM whose instructions are translated needs its time. */
const timeout = 300_000;

describe.skipIf(!isWanted)("the lean image in QEMU", () => {
  let accelerator: Accelerator = "tcg";
  beforeAll(async () => {
    accelerator = await chooseAccelerator();
  });

  test("N4, A2: a whole pod, from user data to the VM's powering off; PCR 8 holds its initdata", {
    timeout,
  }, async () => {
    const lines: string[] = [];
    const steps = new Steps((text) => lines.push(text), "vm");
    await withPodServices(steps, hostSeenByVm, async (pod) => {
      await using vm = await startPodVm({ variant: "lean", accelerator, initdata: pod.initdata, hasTpm: true });
      expect(registersOn(vm.output()).get(8)).toBe((await computedRegisters(pod.initdata)).get(8));
      await runPodSteps(steps, { ...vm, log: () => vm.output() }, pod);
      expect(vm.output()).toContain("pod network connected");
      await vm.machine.ended;
      expect(vm.output()).toContain("podkeep ended with exit code 0");
    }).catch((error: unknown) => {
      throw new Error(lines.join(""), { cause: error });
    });
    expect(steps.finish(), lines.join("")).toBe(true);
  });

  test("A12, threat 7: with wrong initdata nothing is served; console and worker are told why", {
    timeout,
  }, async () => {
    const identities = createIdentities();
    const port = await freePort();
    const userData = userDataOf('algorithm = "md5"\nversion = "0.1.0"\n[data]\n', identities);
    await using machine = await startVirtualMachine({ variant: "lean", accelerator, port, userData });
    const line = await awaitRefusal(machine, identities);
    expect(line).toMatch(/^podkeep provision: the initdata of user data \(\S+\) can't be used: initdata: algorithm: /);
    expect(machine.console().split("\n")).toContain(line);
    expect(machine.console()).not.toContain("agent serves");
  });
});
