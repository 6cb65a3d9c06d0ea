import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import type { GateDecision } from "../../guest/rpc/method.ts";
import { decider, recordingLog } from "./gate-under-test.ts";

const text = readFileSync(new URL("../../policy/containers-in-order.rego", import.meta.url), "utf8");

/** What the shipped list says of its containers. */
const listed = {
  unlock: { args: ["/unlock", "/keys"], env: ["KEY=sealed.fake.example.value"], digest: "0" },
  guard: { args: ["/guard"], env: [], digest: "1" },
  web: { args: ["/web", "--port", "8080"], env: [], digest: "2" },
} as const;
type Name = keyof typeof listed;

/** A pod under the shipped policy, spoken to as a shim does. */
class PodUnderPolicy {
  readonly #decide = decider(
    new PolicyGate({
      policy: { kind: "rego", text },
      origin: { kind: "initdata" },
      debug: false,
      log: recordingLog().log,
    }),
  );

  /** Asks the policy; an allowed request succeeds or fails as the caller says. */
  ask(succeeds: boolean, ...args: Parameters<typeof this.decide>): boolean {
    try {
      const decision: GateDecision = this.decide(...args);
      if (decision.kind !== "allow") return false;
      if (succeeds) decision.commit();
      else decision.rollback();
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: "permission-denied" });
      return false;
    }
  }
  decide(...args: Parameters<ReturnType<typeof decider>>): GateDecision {
    return this.#decide(...args);
  }

  create(name: Name, id: string, change: { spec?: object; request?: object; process?: object } = {}, succeeds = true) {
    const { args, env, digest } = listed[name];
    const root = `/run/kata-containers/${id}/rootfs`;
    const source = `quay.io/example/${name}@sha256:${digest.repeat(64)}`;
    return this.ask(succeeds, "CreateContainer", {
      container_id: id,
      storages: [{ driver: "image_guest_pull", source, fstype: "overlay", mount_point: root }],
      OCI: {
        Annotations: {
          "io.kubernetes.cri.container-type": "container",
          "io.kubernetes.cri.container-name": name,
        },
        Root: { Path: root },
        Mounts: [{ destination: "/keys", source: "/run/kata-containers/x", type: "bind" }],
        Process: { Args: [...args], Env: ["PATH=/usr/bin:/bin", "HOSTNAME=pod", ...env], ...change.process },
        ...change.spec,
      },
      ...change.request,
    });
  }
  start = (id: string, succeeds = true) => this.ask(succeeds, "StartContainer", { container_id: id });
  remove = (id: string, succeeds = true) => this.ask(succeeds, "RemoveContainer", { container_id: id });

  /** Makes and starts a container. */
  run(name: Name, id: string): void {
    expect([this.create(name, id), this.start(id)]).toEqual([true, true]);
  }
}

function podWithPause(): PodUnderPolicy {
  const pod = new PodUnderPolicy();
  expect(pause(pod, "box")).toBe(true);
  expect(pod.start("box")).toBe(true);
  return pod;
}

function pause(pod: PodUnderPolicy, id: string): boolean {
  const root = `/run/kata-containers/${id}/rootfs`;
  return pod.ask(true, "CreateContainer", {
    container_id: id,
    storages: [{ driver: "image_guest_pull", source: "pause", mount_point: root }],
    OCI: { Annotations: { "io.kubernetes.cri.container-type": "sandbox" }, Root: { Path: root } },
  });
}

test("a pod in the order of its list runs, and so does a container that is restarted", () => {
  const pod = podWithPause();
  pod.run("unlock", "c1");
  expect(pod.remove("c1")).toBe(true);
  pod.run("guard", "c2");
  pod.run("web", "c3");
  expect(pod.remove("c2")).toBe(true);
  pod.run("guard", "c4");
  for (const id of ["c3", "c4", "box"]) expect(pod.remove(id)).toBe(true);
});

test("threat 29: the workload is refused without its init container, or while that one runs", () => {
  const pod = podWithPause();
  expect(pod.create("guard", "c1")).toBe(false);
  expect(pod.create("web", "c1")).toBe(false);
  expect(pod.create("unlock", "c1")).toBe(true);
  // Made, never started; then started, not gone.
  expect(pod.create("guard", "c2")).toBe(false);
  expect(pod.start("c1", false)).toBe(true);
  expect(pod.create("guard", "c2")).toBe(false);
  expect(pod.start("c1")).toBe(true);
  expect(pod.create("guard", "c2")).toBe(false);
  expect(pod.remove("c1", false)).toBe(true);
  expect(pod.create("guard", "c2")).toBe(false);
  expect(pod.remove("c1")).toBe(true);
  expect(pod.create("guard", "c2")).toBe(true);
});

test("threat 29: the workload is refused without its guard, without a variable, without a mount", () => {
  const pod = podWithPause();
  pod.run("unlock", "c1");
  pod.remove("c1");
  expect(pod.create("web", "c3")).toBe(false);
  pod.run("guard", "c2");
  expect(pod.create("web", "c3", { process: { Env: ["HOSTNAME=pod"] } })).toBe(false);
  expect(pod.create("web", "c3", { spec: { Mounts: [] } })).toBe(false);
  expect(pod.create("web", "c3")).toBe(true);
});

test("threat 30: there is one instance of a container at a time, under whatever id", () => {
  const pod = podWithPause();
  expect(pause(pod, "box2")).toBe(false);
  expect(pod.create("unlock", "c1")).toBe(true);
  expect(pod.create("unlock", "c2")).toBe(false);
  expect(pod.create("unlock", "c1")).toBe(false);
  pod.start("c1");
  pod.remove("c1");
  expect(pod.remove("c1")).toBe(false);
  expect(pod.start("c1")).toBe(false);
  expect(pod.create("unlock", "c2", {}, false)).toBe(true);
  // That one has failed, so there is none.
  expect(pod.create("unlock", "c3")).toBe(true);
});

test.each([
  ["another image", { request: { storages: [] } }],
  ["another command", { process: { Args: ["/unlock", "/keys", "--print"] } }],
  ["shared processes (threat 49)", { request: { sandbox_pidns: true } }],
  ["hooks", { spec: { Hooks: { Prestart: [{ Path: "/x" }] } } }],
  ["a mount over its programs", { spec: { Mounts: [{ destination: "/usr/bin", source: "/x", type: "bind" }] } }],
])("threat 37: a listed container with %s is refused", (_name, change) => {
  expect(podWithPause().create("unlock", "c1", change)).toBe(false);
});

test("threat 49: processes are shared only where the policy says so", () => {
  expect(podWithPause().create("unlock", "c1", { request: { sandbox_pidns: true } })).toBe(false);
  expect(podWithPause().create("unlock", "c1", { request: { sandbox_pidns: false } })).toBe(true);
});

test("threat 50: a sealed secret that the policy doesn't name is refused, in whatever container", () => {
  const pod = podWithPause();
  const withVariables = (...Env: string[]) => ({ process: { Env: ["PATH=/usr/bin:/bin", ...Env] } });
  expect(pod.create("unlock", "c1", withVariables("KEY=sealed.fake.other.value"))).toBe(false);
  expect(pod.create("unlock", "c1", withVariables("KEY=sealed.fake.example.value", "B=sealed.b"))).toBe(false);
  pod.run("unlock", "c1");
  pod.remove("c1");
  expect(pod.create("guard", "c2", withVariables("KEY=sealed.fake.example.value"))).toBe(false);
});

test("threat 60: signals that stop a container pass, others don't", () => {
  const pod = podWithPause();
  const signals = [9, 15, 10, 12, 1, 2, 19];
  const passed = signals.filter((signal) => pod.ask(true, "SignalProcess", { container_id: "box", signal }));
  expect(passed).toEqual([9, 15]);
});

test("threat 57: a policy can bound how often a command runs", () => {
  const counting = `package agent_policy
import rego.v1
default ExecProcessRequest := false
runs := object.get(data.pstate, "runs", 0)
ExecProcessRequest := {"allowed": true, "ops": [{"op": "add", "path": "/pstate/runs", "value": runs + 1}]} if runs < 3
`;
  const policy = { kind: "rego", text: counting } as const;
  const { log } = recordingLog();
  const decide = decider(new PolicyGate({ policy, origin: { kind: "initdata" }, debug: false, log }));
  const run = (): void => {
    const decision = decide("ExecProcess", { container_id: "c1", exec_id: "e1", process: { Args: ["true"] } });
    if (decision.kind === "allow") decision.commit();
  };
  for (let count = 0; count < 3; count++) run();
  expect(run).toThrow("ExecProcessRequest is blocked by policy");
});
