import { existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { imageFiles, imageFolder } from "../../image/folders.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm, startVirtualMachine } from "../../image/vm/virtual-machine.ts";
import { withPodServices } from "../demo/pod-services.ts";
import { runPodSteps } from "../demo/pod-steps.ts";
import { Steps } from "../demo/steps.ts";
import { createIdentities } from "../stack/identities.ts";
import { connectAsWorker, freePort, startPodVm, userDataOf } from "./pod-vm.ts";

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

  test("N4: a whole pod, from user data to the VM's powering off", { timeout }, async () => {
    const lines: string[] = [];
    const steps = new Steps((text) => lines.push(text), "vm");
    await withPodServices(steps, hostSeenByVm, async (pod) => {
      await using vm = await startPodVm({ variant: "lean", accelerator, initdata: pod.initdata });
      await runPodSteps(steps, { ...vm, log: () => vm.output() }, pod);
      await vm.machine.ended;
      expect(vm.output()).toContain("podkeep ended with exit code 0");
    }).catch((error: unknown) => {
      throw new Error(lines.join(""), { cause: error });
    });
    expect(steps.finish(), lines.join("")).toBe(true);
  });

  test("threat 7: with a policy that is no Rego, nothing listens; the console says why", { timeout }, async () => {
    const identities = createIdentities();
    const port = await freePort();
    const userData = userDataOf(initdataWith("package agent_policy\nallow if {"), identities);
    await using machine = await startVirtualMachine({ variant: "lean", accelerator, port, userData });
    let answered = false;
    while (machine.isRunning()) {
      await connectAsWorker(port, identities, "ttrpc").then(
        async (client) => {
          answered = true;
          await client.close();
        },
        () => setTimeout(200),
      );
    }
    expect(answered).toBe(false);
    expect(machine.console()).toMatch(/^podkeep agent: the policy does not load:\nagent_policy:3:1: rego_parse_error/m);
  });
});

function initdataWith(policy: string): string {
  return `algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"policy.rego" = '''\n${policy}\n'''\n`;
}
