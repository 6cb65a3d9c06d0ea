/**
 * Boots a pod VM in QEMU and runs the demo's pod in it. The key broker and the registry run on this machine; from the VM it is
 * hostSeenByVm. Ends with a summary line, and with exit code 0 only if every step did what it should. QEMU has ended then.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process, { exit, stdout } from "node:process";
import { setTimeout } from "node:timers/promises";
import { type DemoPod, withPodServices } from "../test/demo/pod-services.ts";
import { runPodSteps } from "../test/demo/pod-steps.ts";
import { Steps } from "../test/demo/steps.ts";
import { type PodVm, startPodVm } from "../test/vm/pod-vm.ts";
import { readOptions, requireChoice } from "./command-line.ts";
import { imageFiles, imageFolder } from "./folders.ts";
import type { Variant } from "./image-configuration.ts";
import { chooseAccelerator } from "./vm/accelerator.ts";
import { hostSeenByVm } from "./vm/virtual-machine.ts";

/** How long a VM may take to power off. */
const powerOffTimeoutMs = 120_000;

const usage = `usage: npm run vm -- [OPTION…]

Boots the lean image in QEMU, hands over initdata, and runs the demo's pod in the VM (docs/IMAGE.md).

  --disk              the disk image: UEFI, TPM, verity, systemd
  --no-tpm            without the disk image's TPM, as libvirt's VMs
  --accelerator NAME  kvm or tcg; when absent, KVM where a kernel really boots on it
  --port N            port on 127.0.0.1 that leads to 15150; a free one when absent
  --console           print the VM's console at the end
`;
const values = readOptions(usage, {
  disk: { type: "boolean", default: false },
  port: { type: "string" },
  accelerator: { type: "string" },
  "no-tpm": { type: "boolean", default: false },
  console: { type: "boolean", default: false },
});
const wantedAccelerator =
  values.accelerator === undefined ? undefined : requireChoice(usage, values.accelerator, ["kvm", "tcg"]);
const variant: Variant = values.disk ? "disk" : "lean";
requireImage(variant);

// QEMU ends with this process, however that ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => exit(1));

const steps = new Steps((text) => void stdout.write(text), "vm");
try {
  await withPodServices(steps, hostSeenByVm, runPod);
} catch {
  // The step that failed has said so.
}
exit(steps.finish() ? 0 : 1);

async function runPod(pod: DemoPod): Promise<void> {
  const accelerator = await steps.step(
    "accelerator",
    async () => wantedAccelerator ?? (await chooseAccelerator()),
    (name) => name,
  );
  const machine = { variant, accelerator, ...(values["no-tpm"] ? { hasTpm: false } : {}) };
  const port = values.port === undefined ? undefined : Number(values.port);
  await using vm = await steps.step(
    `${variant} image boots; port 15150 answers`,
    () => startPodVm({ ...machine, port, initdata: pod.initdata }),
    ({ port }) => `127.0.0.1:${port}`,
  );
  try {
    // The disk image tells its console, which is the host's, only why a start failed.
    await runPodSteps(steps, { ...vm, log: () => (variant === "lean" ? vm.output() : undefined) }, pod);
    await steps.step("the VM powers itself off", () => poweredOff(vm));
  } finally {
    if (values.console) steps.note(vm.output());
  }
}

async function poweredOff(vm: PodVm): Promise<void> {
  const timeout = setTimeout(powerOffTimeoutMs, "timeout" as const, { ref: false });
  if ((await Promise.race([vm.machine.ended, timeout])) === "timeout") throw new Error("it still runs");
}

function requireImage(wanted: Variant): void {
  const files = { lean: imageFiles.leanInitramfs, disk: imageFiles.disk };
  if (existsSync(join(imageFolder, files[wanted]))) return;
  process.stderr.write(`vm: build/image/${files[wanted]} is missing; \`npm run image -- --${wanted}\` builds it\n`);
  exit(1);
}
