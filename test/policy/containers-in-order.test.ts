import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import type { GateDecision } from "../../guest/rpc/method.ts";
import { decider, recordingLog } from "./gate-under-test.ts";

const text = readFileSync(new URL("../../policy/containers-in-order.rego", import.meta.url), "utf8");

/** What the shipped list says of its containers. */
const listed = {
  unlock: { args: ["/unlock", "/keys"], env: ["KEY=sealed.fake.example.value"], digest: "0", mounts: ["/keys"] },
  guard: { args: ["/guard"], env: [], digest: "1", mounts: [] },
  web: { args: ["/web", "--port", "8080"], env: [], digest: "2", mounts: ["/keys", "/etc/web"] },
} as const;
type Name = keyof typeof listed;

/** An emptyDir on disk, as shims attach it. */
const emptyDir = {
  driver: "local",
  source: "local",
  fstype: "local",
  mount_point: "/run/kata-containers/shared/containers/box/rootfs/local/keys",
};
const copied = "/run/kata-containers/shared/containers/c1-0123456789abcdef-keys";
/** What shims send with every container. */
const usualMounts = [
  { destination: "/proc", source: "proc", type: "proc" },
  { destination: "/dev", source: "tmpfs", type: "tmpfs" },
  { destination: "/dev/shm", source: "/run/kata-containers/sandbox/shm", type: "bind" },
  {
    destination: "/etc/hosts",
    source: "/run/kata-containers/shared/containers/c1-0123456789abcdef-hosts",
    type: "bind",
  },
];

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
    const { args, env, digest, mounts } = listed[name];
    const root = `/run/kata-containers/${id}/rootfs`;
    const source = `quay.io/example/${name}@sha256:${digest.repeat(64)}`;
    return this.ask(succeeds, "CreateContainer", {
      container_id: id,
      storages: [{ driver: "image_guest_pull", source, fstype: "overlay", mount_point: root }, emptyDir],
      OCI: {
        Annotations: {
          "io.kubernetes.cri.container-type": "container",
          "io.kubernetes.cri.container-name": name,
        },
        Root: { Path: root },
        Mounts: [
          ...usualMounts,
          ...mounts.map((destination) => {
            const source = destination === "/keys" ? emptyDir.mount_point : copied;
            return { destination, source, type: destination === "/keys" ? "local" : "bind" };
          }),
        ],
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
    OCI: {
      Annotations: { "io.kubernetes.cri.container-type": "sandbox" },
      Root: { Path: root },
      Mounts: usualMounts,
    },
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

test("threat 29: a guard whose start is under way has not been started, and may never be", () => {
  const pod = podWithPause();
  pod.run("unlock", "c1");
  pod.remove("c1");
  expect(pod.create("guard", "c2")).toBe(true);
  const start = pod.decide("StartContainer", { container_id: "c2" });
  expect(pod.create("web", "c3")).toBe(false);
  if (start.kind === "allow") start.rollback();
  expect(pod.create("web", "c3")).toBe(false);
  expect([pod.start("c2"), pod.create("web", "c3")]).toEqual([true, true]);
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
])("threat 37: a listed container with %s is refused", (_name, change) => {
  expect(podWithPause().create("unlock", "c1", change)).toBe(false);
});

test.each([
  ["over its program", "/unlock", copied],
  ["over programs of its image", "/usr/bin", copied],
  ["that loads a library into every program", "/etc/ld.so.preload", copied],
  ["below a named one", "/keys/more", copied],
  ["of devices that the host has copied in", "/dev", copied],
  ["that another container may have", "/etc/web", copied],
])("threat 27: a listed container with a mount %s is refused", (_what, destination, source) => {
  const keys = { destination: "/keys", source: emptyDir.mount_point, type: "local" };
  const withMount = (...more: object[]) => ({ spec: { Mounts: [keys, ...more] } });
  expect(podWithPause().create("unlock", "c1", withMount({ destination, source, type: "bind" }))).toBe(false);
  expect(podWithPause().create("unlock", "c1", withMount())).toBe(true);
});

test("threat 51: what containers hand each other comes from them, not from the host", () => {
  const pod = podWithPause();
  const copy = (path: string) => pod.ask(true, "CopyFile", { path, file_mode: 0o100644 });
  expect(copy(`${copied}/a`)).toBe(true);
  expect(copy(`${emptyDir.mount_point}/a`)).toBe(false);
  const fromCopy = [{ destination: "/keys", source: copied, type: "bind" }];
  expect(pod.create("unlock", "c1", { spec: { Mounts: fromCopy } })).toBe(false);
  const storageAtCopy = { ...emptyDir, mount_point: copied };
  const root = "/run/kata-containers/c1/rootfs";
  const source = `quay.io/example/unlock@sha256:${"0".repeat(64)}`;
  const pull = { driver: "image_guest_pull", source, fstype: "overlay", mount_point: root };
  const request = { storages: [pull, storageAtCopy] };
  expect(pod.create("unlock", "c1", { request, spec: { Mounts: fromCopy } })).toBe(false);
  const memory = { ...emptyDir, driver: "ephemeral", mount_point: "/run/kata-containers/sandbox/ephemeral/keys" };
  const Mounts = [{ destination: "/keys", source: memory.mount_point, type: "bind" }];
  expect(pod.create("unlock", "c1", { request: { storages: [pull, memory] }, spec: { Mounts } })).toBe(true);
});

test.each(["/dev/termination-log", "/etc/hosts", "/dev/shm", "/etc/web"])(
  "threat 67: what containers hand each other is not put at %s, where the host could read it",
  (destination) => {
    const pod = podWithPause();
    pod.run("unlock", "c1");
    pod.remove("c1");
    pod.run("guard", "c2");
    const memory = "/run/kata-containers/sandbox/shared/containers/keys";
    for (const source of [`${emptyDir.mount_point}/key`, emptyDir.mount_point, memory]) {
      const Mounts = [
        { destination: "/keys", source: emptyDir.mount_point, type: "local" },
        { destination, source, type: "bind" },
      ];
      expect(pod.create("web", "c3", { spec: { Mounts } })).toBe(false);
    }
    expect(pod.create("web", "c3")).toBe(true);
  },
);

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
