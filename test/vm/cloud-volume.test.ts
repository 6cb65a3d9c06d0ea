import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { buildFolder, imageFiles, imageFolder } from "../../image/folders.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm } from "../../image/vm/virtual-machine.ts";
import { type DemoPod, demoSecret, withPodServices } from "../demo/pod-services.ts";
import { Steps } from "../demo/steps.ts";
import type { ContainerDescription } from "../shim/container-spec.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { isCleanExt4, makeEncryptedDisk, whyNoEncryptedDisk } from "./encrypted-disk.ts";
import { type PodVm, startPodVm } from "./pod-vm.ts";

const isBuilt = existsSync(join(imageFolder, imageFiles.leanInitramfs));
const isWanted = env["PODKEEP_VM"] === "1" || isBuilt;
if (!isWanted) console.warn("test/vm: no lean image; `npm run image -- --lean` builds it, PODKEEP_VM=1 demands it");
if (whyNoEncryptedDisk !== undefined) console.warn(`test/vm: no volume of the cloud is tested: ${whyNoEncryptedDisk}`);

/** A VM whose instructions are translated needs its time. */
const timeout = 300_000;

const sandboxId = "3f9b5c0e8d7a4162b94c1e0f7a6d5b28";
const annotation = "io.confidentialcontainers.org.cloud_volumes";
/** As cloud-api-adaptor writes it. */
const volume = {
  mount_point: "/data",
  fs_type: "ext4",
  lun: "0",
  disk_id: "",
  fs_group: "2000",
  encrypt_type: "luks2",
  key_id: demoSecret.path,
};

describe.skipIf(!isWanted || whyNoEncryptedDisk !== undefined)("a volume of the cloud, in the lean image", () => {
  let accelerator: Accelerator = "tcg";
  beforeAll(async () => {
    accelerator = await chooseAccelerator();
  });

  test("the key comes from the broker, the data stay on the disk, encrypted; threat 117: another value is denied", {
    timeout,
  }, async () => {
    const folder = mkdtempSync(join(buildFolder, "volume-"));
    try {
      const disk = makeEncryptedDisk(join(folder, "disk.raw"), demoSecret.text, { greeting: "from the owner" });
      const steps = new Steps(() => {}, "vm");
      await withPodServices(
        steps,
        hostSeenByVm,
        async (pod) => {
          const { initdata } = pod;
          await using vm = await startPodVm({ variant: "lean", accelerator, initdata, extraDisks: [disk.file] });
          await useVolume(vm, pod).catch((cause: unknown) => {
            throw new Error(`the VM's console:\n${vm.output()}`, { cause });
          });
          await vm.machine.ended;
          expect(vm.output()).toContain("podkeep ended with exit code 0");
        },
        policyOf,
      );
      const fileSystem = disk.read();
      expect(isCleanExt4(fileSystem)).toBe(true);
      expect(fileSystem.includes("kept by the workload\nkept by the workload\n")).toBe(true);
      expect(readFileSync(disk.file).includes("kept by the workload")).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A pod's life: requests that the policy denies, and two containers that write to the volume one after the other. */
async function useVolume(vm: PodVm, pod: DemoPod): Promise<void> {
  const shim = new KataShim(await vm.connect(), sandboxId);
  await shim.createSandbox();
  await shim.startPause();
  for (const change of [{ key_id: "default/demo/other" }, { encrypt_type: "" }, { mount_point: "/other" }]) {
    const call = shim.createContainer(containerOf(pod, "0".repeat(32), change));
    await expect(call).rejects.toMatchObject({ code: "permission-denied" });
  }
  const first = /^from the owner\n.*drwxrwsr-x .* 2000 .*\nkept by the workload\n$/s;
  expect(await runContainer(shim, pod, "1".repeat(32))).toMatch(first);
  expect(await runContainer(shim, pod, "2".repeat(32))).toContain("kept by the workload\nkept by the workload\n");
  await shim.removeContainer(sandboxId);
  await shim.destroySandbox();
}

function containerOf({ image }: DemoPod, id: string, change: object = {}): ContainerDescription {
  const script =
    "cat /data/greeting && echo && ls -lnd /data && echo kept by the workload >>/data/log && cat /data/log";
  return {
    id,
    sandboxId,
    kind: "container",
    image,
    args: ["/bin/sh", "-c", script],
    annotations: { [annotation]: JSON.stringify({ "vol-0": { ...volume, ...change } }) },
    mounts: [{ destination: "/data", source: "/run/kata-containers/shared/direct-volumes/vol-0" }],
  };
}

async function runContainer(shim: KataShim, pod: DemoPod, id: string): Promise<string> {
  await shim.createContainer(containerOf(pod, id));
  await shim.startContainer(id);
  const said = await shim.read("ReadStdout", id, id);
  await shim.removeContainer(id);
  return said;
}

/** Compares the annotation's value. */
function policyOf(image: string): string {
  return `package agent_policy
import rego.v1

default CreateSandboxRequest := true
default DestroySandboxRequest := true
default StartContainerRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default RemoveContainerRequest := true
default RemoveStaleVirtiofsShareMountsRequest := true
default GuestDetailsRequest := true
default ReadStreamRequest := true
default CreateContainerRequest := false

volumes := {"vol-0": ${JSON.stringify(volume)}}

CreateContainerRequest if input.storages[0].source == "pause"

CreateContainerRequest if {
  input.storages[0].source == "${image}"
  json.unmarshal(input.OCI.Annotations["${annotation}"]) == volumes
}
`;
}
