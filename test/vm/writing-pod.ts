import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../image/folders.ts";
import { hostSeenByVm } from "../../image/vm/virtual-machine.ts";
import { type DemoPod, withPodServices } from "../demo/pod-services.ts";
import { Steps } from "../demo/steps.ts";
import { KataShim, type ProcessResult } from "../shim/kata-shim.ts";
import { type PodVmOptions, startPodVm } from "./pod-vm.ts";

/** Runs a program in the container to its end. */
export type Execute = (...args: readonly string[]) => Promise<ProcessResult>;

/** A container of busybox in a VM, in which tests write. */
export interface WritingPod {
  readonly execute: Execute;
  /** Whether the agent answers a health check. */
  isServing(): Promise<boolean>;
}

/** Initdata with nothing in it. */
export const minimalInitdata = 'algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n';

const sandboxId = "7e0c5b1f9a3d4826b05c7e1f2a9d6c48";
const containerId = "c4a19e7d3b5f4802a6d1c8e07f2b9d35";

/** Runs the demo's image in a VM while `action` uses it. */
export async function withWriter(
  options: Omit<PodVmOptions, "initdata">,
  action: (pod: WritingPod) => Promise<void>,
): Promise<void> {
  const steps = new Steps(() => {}, "vm");
  await withPodServices(steps, hostSeenByVm, async (pod) => {
    await using vm = await startPodVm({ ...options, initdata: initdataOf(pod) });
    const shim = new KataShim(await vm.connect(), sandboxId);
    await shim.createSandbox();
    await shim.startPause();
    const args = ["/bin/sleep", "3600"];
    await shim.createContainer({ id: containerId, sandboxId, kind: "container", image: pod.image, args });
    await shim.startContainer(containerId);
    let count = 0;
    await action({
      execute: async (...command) => {
        const execId = `exec-${count++}`;
        await shim.exec(containerId, execId, command);
        return await shim.collect(containerId, execId);
      },
      isServing: async () => (await shim.check()) === 1,
    });
    await shim.client.close();
  });
}

/** The demo's initdata with a policy that allows everything. */
function initdataOf({ initdata }: DemoPod): string {
  const policy = readFileSync(join(projectRoot, "policy/allow-all.rego"), "utf8");
  return initdata.replace(/("policy\.rego" = ''')[\s\S]*?'''/, `$1\n${policy}'''`);
}
