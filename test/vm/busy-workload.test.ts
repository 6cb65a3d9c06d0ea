import { existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { imageFiles, imageFolder } from "../../image/folders.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm } from "../../image/vm/virtual-machine.ts";
import { withPodServices } from "../demo/pod-services.ts";
import { Steps } from "../demo/steps.ts";
import { containerId } from "../scenarios/pod-fixture.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { startPodVm } from "./pod-vm.ts";

const isWanted = env["PODKEEP_VM"] === "disk" && existsSync(join(imageFolder, imageFiles.disk));
if (!isWanted) console.warn("test/vm: PODKEEP_VM=disk loads the disk image with work");

const timeout = 900_000;
const smallestMegabytes = 1024;

/** Status of a process that SIGKILL has ended. */
const killed = 128 + 9;

describe.skipIf(!isWanted)("the disk image in the smallest VM", () => {
  let accelerator: Accelerator = "tcg";
  beforeAll(async () => {
    accelerator = await chooseAccelerator();
  });

  test("V4, V5: the workload takes all processors, then all memory; health checks go on", { timeout }, async () => {
    const silent = new Steps(() => {});
    await withPodServices(silent, hostSeenByVm, async ({ initdata, image }) => {
      await using vm = await startPodVm({
        variant: "disk",
        accelerator,
        initdata,
        memoryMegabytes: smallestMegabytes,
        hasTpm: false,
      });
      const shim = new KataShim(await vm.connect(), containerId(), vm.stateDirectory);
      await shim.createSandbox();
      await shim.startPause();
      const start = async (args: readonly string[]): Promise<string> => {
        const id = containerId();
        await shim.createContainer({ id, sandboxId: shim.sandboxId, kind: "container", image, args });
        await shim.startContainer(id);
        return id;
      };

      const burning = await start(["/bin/sh", "-c", "for loop in 1 2 3 4; do while :; do :; done & done; wait"]);
      // Each check has the 30 s that the worker gives it.
      for (let check = 0; check < 20; check++) expect(await shim.check()).toBe(1);
      await shim.removeContainer(burning);

      // tail keeps what it has read, and there is no limit.
      const hungry = await start(["/bin/tail", "/dev/zero"]);
      const ended = shim.wait(hungry, "");
      for (let check = 0; check < 10; check++) expect(await shim.check()).toBe(1);
      expect(await ended).toBe(killed);
      expect(await shim.check()).toBe(1);
      // The kernel tells the console whom it has ended.
      const victims = [...vm.output().matchAll(/Killed process \d+ \(([^)]*)\)/g)].map(([, name]) => name);
      expect(victims).toEqual(["tail"]);
    });
  });
});
