/**
 * The main job from end to end: a key broker, a registry and podkeep are started; then everything happens that a Kata shim
 * does for a peer pod, over ttRPC with mutual TLS. `npm run demo` runs it; it needs root and stays on loopback.
 */
import { exit, stdout } from "node:process";
import { setTimeout } from "node:timers/promises";
import { leftovers } from "../stack/leftovers.ts";
import { startStack } from "../stack/stack.ts";
import { type DemoPod, withPodServices } from "./pod-services.ts";
import { runPodSteps } from "./pod-steps.ts";
import { expectThat, Steps } from "./steps.ts";

const steps = new Steps((text) => void stdout.write(text));
try {
  await withPodServices(steps, "127.0.0.1", runPod);
} catch {
  // The step that failed has said so.
}
exit(steps.finish() ? 0 : 1);

async function runPod(pod: DemoPod): Promise<void> {
  await using stack = await steps.step(
    "podkeep serves on 15150's stand-in: initdata verified, policy compiled, hub ready",
    () => startStack({ initdata: pod.initdata }),
  );
  await runPodSteps(steps, { ...stack, log: () => stack.output() }, pod);
  await steps.step(
    "podkeep ends by itself",
    () => ended(stack.process),
    (code) => `exit code ${code}`,
  );
  await steps.step("nothing is left behind", async () => {
    const found = leftovers(stack);
    expectThat(found.length === 0, found.join(", "));
  });
}

async function ended(child: { readonly exitCode: number | null }): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (child.exitCode !== null) return child.exitCode;
    await setTimeout(20);
  }
  throw new Error("it still runs");
}
