import { expect, test } from "vitest";
import { initdataWith, policyWith, startPod } from "./pod-fixture.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("test/scenarios: containers need root");

const policy = policyWith("default ExecProcessRequest := true\ndefault ReadStreamRequest := true\n");

/** Three loops for each of two processors. */
const burnAllProcessors = ["/bin/sh", "-c", "for loop in 1 2 3 4 5 6; do while :; do :; done & done; wait"];

test.skipIf(!isRoot)("V4: while a container burns all processors, health checks and exec are answered", async () => {
  await using pod = await startPod({ initdata: initdataWith({ "policy.rego": policy }) });
  const burning = await pod.start(burnAllProcessors);
  // Each check has the 30 s that the worker gives it.
  for (let check = 0; check < 20; check++) expect(await pod.shim.check()).toBe(1);
  await pod.shim.exec(burning, "still-there", ["/bin/echo", "answered"]);
  expect((await pod.shim.collect(burning, "still-there")).stdout).toBe("answered\n");
  await pod.shim.removeContainer(burning);
});
