import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseConfiguration } from "../../guest/compose/configuration.ts";
import { imageConfiguration } from "../../image/image-configuration.ts";
import { readUnit } from "./units.ts";

const { agent, provision } = parseConfiguration(
  imageConfiguration({ variant: "disk", profile: "production", initdataBinding: "required" }),
);

/** What a worker needs at least: cloud-api-adaptor dials every 5 s, then the shim's first Check has 30 s. */
const leastRefusalSeconds = 35;

/** The longest that the agent waits for the hub. */
const hubWaitSeconds = 30;

test("A12: in the image a failed start is told to the worker for as long as it needs to ask", () => {
  expect(agent.refusalSeconds).toBeGreaterThan(leastRefusalSeconds);
});

test("A12: no time limit of systemd ends the refusal early", () => {
  const limitOf = (name: "agent" | "provision"): number => Number(readUnit(name).values("TimeoutStartSec")[0]);
  expect(limitOf("agent")).toBeGreaterThan(hubWaitSeconds + agent.refusalSeconds);
  expect(limitOf("provision")).toBeGreaterThan(provision.timeoutSeconds + agent.refusalSeconds);
});

test("A12: a hub that fails again and again powers the VM off after the agent has told why, not before", () => {
  const { values } = readUnit("hub");
  const number = (setting: string): number => Number(values(setting)[0]);
  // As systemd.service(5) has it: the pause grows by the same factor up to the maximum.
  const [first, last, steps] = [number("RestartSec"), number("RestartMaxDelaySec"), number("RestartSteps")];
  const pauses = Array.from({ length: number("StartLimitBurst") }, (_, restart) =>
    Math.min(last, first * (last / first) ** (restart / steps)),
  );
  const seconds = pauses.reduce((sum, pause) => sum + pause, 0);
  expect(values("StartLimitAction")).toEqual(["poweroff"]);
  expect(seconds).toBeGreaterThan(hubWaitSeconds + agent.refusalSeconds);
  // The limit counts starts within its interval only.
  expect(seconds).toBeLessThan(number("StartLimitIntervalSec") / 2);
});

test("threat 134: what has failed to start powers the VM off when it has told why", () => {
  for (const name of ["agent", "provision"] as const)
    expect(readUnit(name).values("FailureAction")).toEqual(["poweroff"]);
});

test("threat 134: containers that outlive their agent are killed in seconds; agent and hub have the time to end theirs in order", () => {
  const url = new URL("../../image/tree/usr/lib/systemd/system.conf.d/podkeep.conf", import.meta.url);
  const [, seconds] = /^DefaultTimeoutStopSec=(\d+)s$/m.exec(readFileSync(url, "utf8")) ?? [];
  expect(Number(seconds)).toBeLessThanOrEqual(10);
  for (const name of ["agent", "hub"] as const)
    expect(Number(readUnit(name).values("TimeoutStopSec")[0])).toBeGreaterThan(60);
});
