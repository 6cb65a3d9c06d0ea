import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compileSource } from "../../guest/policy/compile-source.ts";
import { readDefaultPolicy } from "../../guest/policy/default-policy.ts";
import { missingRules } from "../../guest/policy/missing-rules.ts";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import type { MethodDefinition } from "../../guest/rpc/method.ts";
import { callContext, decider, receivedRequest, recordingLog } from "./gate-under-test.ts";

const folder = new URL("../../policy/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".rego"));
const textOf = (name: string) => readFileSync(new URL(name, folder), "utf8");

/** A gate with a shipped policy as an initdata would bring it, changed where an operator would. */
function gateWith(name: string, adapt: (text: string) => string = (text) => text) {
  const { lines, log } = recordingLog();
  const policy = { kind: "rego", text: adapt(textOf(name)) } as const;
  const gate = new PolicyGate({ policy, origin: { kind: "initdata" }, debug: false, log });
  const decide = decider(gate, log);
  const outcome = (...args: Parameters<typeof decide>) => {
    try {
      const decision = decide(...args);
      if (decision.kind === "allow") decision.commit();
      return decision.kind;
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  };
  return { gate, lines, decide, outcome };
}

/** What passes of requests that are empty but for a container's id, by method name. */
function passing(name: string): readonly string[] {
  const { gate } = gateWith(name);
  const methods = Object.values<MethodDefinition>(AgentService.methods);
  return methods.filter((method) => passes(gate, method)).map((method) => method.name);
}

function passes(gate: PolicyGate, method: MethodDefinition): boolean {
  const hasId = method.request.fields.some(({ name }) => name === "container_id");
  try {
    return (
      gate.decide(method, receivedRequest(method, hasId ? { container_id: "c1" } : {}), callContext()).kind === "allow"
    );
  } catch {
    // Refused, whatever the reason.
    return false;
  }
}

const all = Object.keys(AgentService.methods);
const lifeOfAPod = [
  "CreateSandbox",
  "CreateContainer",
  "StartContainer",
  "WaitProcess",
  "SignalProcess",
  "RemoveContainer",
  "RemoveStaleVirtiofsShareMounts",
  "DestroySandbox",
  "GetOOMEvent",
  "GetGuestDetails",
  "CopyFile",
  "StatsContainer",
];

test("the policies that ship are the ones of the README", () => {
  const readme = textOf("README.md");
  expect(files).toHaveLength(7);
  for (const name of files) expect(readme).toContain(`| \`${name}\` |`);
});

describe.each(files)("%s", (name) => {
  test("has a rule for every request, so that nothing fails as undefined", () => {
    expect(missingRules(compileSource({ kind: "rego", text: textOf(name) }, name))).toEqual([]);
  });

  test("threat 11: doesn't let failures pass, and doesn't allow its own replacement", () => {
    const { gate, outcome } = gateWith(name);
    expect(gate.status.allowsFailures).toBe(false);
    expect(outcome("SetPolicy", { policy: "package agent_policy" })).toBe("permission-denied");
  });
});

test("threat 10, scenario P6: deny-all lets nothing pass", () => {
  expect(passing("deny-all.rego")).toEqual([]);
  const loaded = readDefaultPolicy(new URL("deny-all.rego", folder).pathname);
  const gate = new PolicyGate({ ...loaded, debug: false, log: recordingLog().log });
  expect(() => decider(gate)("CreateContainer", { container_id: "c1" })).toThrow(
    "CreateContainerRequest is blocked by policy",
  );
  expect(gate.status.origin).toBe("default-file");
});

test("threat 10: a default policy that can't be read stops the start", () => {
  expect(() => readDefaultPolicy("/nowhere/policy.rego")).toThrow(
    expect.objectContaining({ code: "failed-precondition", message: expect.stringContaining("/nowhere/policy.rego") }),
  );
});

test("allow-all lets everything pass, the requests included that the reference's own forgets", () => {
  // From initdata it can't be replaced all the same.
  expect(passing("allow-all.rego")).toEqual(all.filter((name) => name !== "SetPolicy"));
});

test("scenario P3: allow-all-except-exec refuses exec with a text that says so", () => {
  expect(passing("allow-all-except-exec.rego")).toEqual(
    all.filter((name) => !["SetPolicy", "ExecProcess"].includes(name)),
  );
  const { decide, lines } = gateWith("allow-all-except-exec.rego");
  expect(() => decide("ExecProcess", { container_id: "c1", process: { Args: ["sh"] } })).toThrow(
    expect.objectContaining({
      code: "permission-denied",
      peerMessage: '"ExecProcessRequest is blocked by policy: "',
    }),
  );
  expect(lines.join("")).toContain('"entrypoint":"ExecProcessRequest"');
});

test("scenario P1: logs-without-exec lets a pod live and be read, and nothing be put in", () => {
  const passed = passing("logs-without-exec.rego");
  expect(passed).toEqual(expect.arrayContaining([...lifeOfAPod, "ReadStdout", "ReadStderr"]));
  for (const name of ["ExecProcess", "WriteStdin", "CloseStdin", "SetPolicy", "SetGuestDateTime", "SetIPTables"])
    expect(passed).not.toContain(name);
});

describe.each(files.filter((name) => !name.startsWith("allow-all")))("%s", (name) => {
  test("threat 59: nothing is typed into a container", () => {
    for (const method of ["WriteStdin", "CloseStdin"]) expect(passing(name)).not.toContain(method);
  });

  test("threat 61: nothing is paused, and no limit changes", () => {
    for (const method of ["PauseContainer", "ResumeContainer", "UpdateContainer"])
      expect(passing(name)).not.toContain(method);
  });
});

describe("scenario P5, threat 56: exec-allow-list", () => {
  const process = {
    User: { UID: 1001, GID: 0, AdditionalGids: [0] },
    Cwd: "/work",
    Env: ["PATH=/usr/bin:/bin", "A=b"],
    Args: ["cat", "/etc/os-release"],
    NoNewPrivileges: true,
  };
  const withContainer = () => {
    const { outcome } = gateWith("exec-allow-list.rego");
    expect(
      outcome("CreateContainer", { container_id: "c1", OCI: { Process: { ...process, Args: ["web"] } } } as never),
    ).toBe("allow");
    return (change: object, container_id = "c1") =>
      outcome("ExecProcess", { container_id, exec_id: "e1", process: { ...process, ...change } } as never);
  };

  test.each([
    ["a listed command", {}],
    [
      "another listed command",
      { Args: ["curl", "http://127.0.0.1:8006/cdh/resource/default/attestation-status/status"] },
    ],
    ["with a terminal", { Terminal: true, Env: [...process.Env, "TERM=xterm"] }],
    [
      "as shims in Go ask, who never name this restriction; the guest keeps the container's",
      { NoNewPrivileges: false },
    ],
  ])("%s runs", (_name, change) => {
    expect(withContainer()(change)).toBe("allow");
  });

  test.each([
    ["another command", { Args: ["sh"] }],
    ["a listed one with more arguments", { Args: ["cat", "/etc/os-release", "/etc/shadow"] }],
    ["a listed one with fewer", { Args: ["cat"] }],
    ["a listed one as one word", { Args: ["cat /etc/os-release"] }],
    ["a listed one behind a shell", { Args: ["sh", "-c", "cat /etc/os-release"] }],
    ["no command", { Args: [] }],
    ["another user", { User: { UID: 0, GID: 0, AdditionalGids: [0] } }],
    ["another folder", { Cwd: "/tmp" }],
    ["a variable that the container doesn't have", { Env: [...process.Env, "LD_PRELOAD=/tmp/x.so"] }],
    ["a changed variable", { Env: ["PATH=/tmp"] }],
    ["capabilities", { Capabilities: { Effective: ["CAP_SYS_ADMIN"] } }],
    ["capabilities, all empty", { Capabilities: {} }],
    ["a security label", { SelinuxLabel: "x" }],
  ])("%s doesn't", (_name, change) => {
    expect(withContainer()(change)).toBe("permission-denied");
  });

  test("nor in a container that was never created, or has been removed", () => {
    const { outcome } = gateWith("exec-allow-list.rego");
    const exec = { container_id: "c1", process } as never;
    expect(outcome("ExecProcess", exec)).toBe("permission-denied");
    outcome("CreateContainer", { container_id: "c1", OCI: { Process: process } } as never);
    expect(outcome("ExecProcess", exec)).toBe("allow");
    expect(outcome("RemoveContainer", { container_id: "c1" })).toBe("allow");
    expect(outcome("RemoveContainer", { container_id: "c1" })).toBe("permission-denied");
    expect(outcome("ExecProcess", exec)).toBe("permission-denied");
  });

  test("the guest's log says which line refused, without the request", () => {
    const { outcome, lines } = gateWith("exec-allow-list.rego");
    outcome("ExecProcess", { container_id: "c1", process: { ...process, Args: ["printenv", "hunter2"] } } as never);
    const line = JSON.parse(lines.at(-1) ?? "") as Readonly<Record<string, string>>;
    expect(line["message"]).toBe("request denied by policy");
    expect(line["rule"]).toContain("ExecProcessRequest");
    expect(line["literal"]).toContain("allowed_commands");
    expect(lines.join("")).not.toContain("hunter2");
  });
});

describe("scenario P8, threat 37: image-allow-list", () => {
  const web = `quay.io/example/web@sha256:${"0".repeat(64)}`;
  const root = "/run/kata-containers/c1/rootfs";
  const pull = (source: string, metadata: object = {}) => ({
    driver: "image_guest_pull",
    driver_options: [`image_guest_pull=${JSON.stringify({ metadata })}`],
    source,
    fstype: "overlay",
    mount_point: root,
  });
  const outcome = (storages: readonly object[], Mounts: readonly object[] = [], Path = root) =>
    gateWith("image-allow-list.rego").outcome("CreateContainer", {
      container_id: "c1",
      storages,
      OCI: { Root: { Path }, Mounts },
    } as never);
  const mount = (destination: string) => ({ destination, source: "/run/kata-containers/x", type: "bind", options: [] });
  const sandbox = { "io.kubernetes.cri.container-type": "sandbox" };

  test("a listed image runs, and the pod's pause container", () => {
    expect(outcome([pull(web)])).toBe("allow");
    expect(outcome([pull("pause", sandbox)])).toBe("allow");
    expect(outcome([pull(web)], [mount("/etc/hosts"), mount("/data"), mount("/library")])).toBe("allow");
  });

  test.each([
    ["the same image by tag", [pull("quay.io/example/web:latest")]],
    ["another digest", [pull(`quay.io/example/web@sha256:${"2".repeat(64)}`)]],
    ["another repository", [pull(`quay.io/evil/web@sha256:${"0".repeat(64)}`)]],
    ["a listed name as a part", [pull(`${web}0`)]],
    ["a workload that calls itself pause", [pull("pause", { "io.kubernetes.cri.container-type": "container" })]],
    ["pause by a nested word", [pull("pause", { x: '"io.kubernetes.cri.container-type":"sandbox"' })]],
    ["two images", [pull(web), pull(web)]],
    ["no image", []],
    ["a block device beside it", [pull(web), { driver: "blk", mount_point: "/x" }]],
    ["a pull to another place", [{ ...pull(web), mount_point: "/elsewhere" }]],
  ])("%s is refused", (_name, storages) => {
    expect(outcome(storages)).toBe("permission-denied");
  });

  test("threat 117: disks of the cloud that the policy doesn't name are refused", () => {
    const annotations = (name: string) =>
      gateWith("image-allow-list.rego").outcome("CreateContainer", {
        container_id: "c1",
        storages: [pull(web)],
        OCI: { Root: { Path: root }, Annotations: { [name]: "{}" } },
      } as never);
    expect(annotations("io.kubernetes.cri.container-name")).toBe("allow");
    expect(annotations("io.confidentialcontainers.org.cloud_volumes")).toBe("permission-denied");
  });

  test.each(["/", "/bin", "/usr/bin/x", "//bin", "/./bin", "bin", "/usr", "/lib64/ld.so"])(
    "a mount over %s is refused",
    (destination) => {
      expect(outcome([pull(web)], [mount(destination)])).toBe("permission-denied");
    },
  );
});

describe("scenario P11: a policy that doesn't load stops the guest", () => {
  test.each([
    ["package agent_policy\nStartContainerRequest := {", /the policy does not load:\nagent_policy:2/],
    ["", /the policy does not load/],
    ["package agent_policy\nimport rego.v1\nStartContainerRequest if undefined_function(1)", /undefined_function/],
  ])("%j", (text, problem) => {
    const { log } = recordingLog();
    const policy = { kind: "rego", text } as const;
    expect(() => new PolicyGate({ policy, origin: { kind: "initdata" }, debug: false, log })).toThrow(problem);
  });

  test("scenario P2, threat 12: by SetPolicy it is refused, and the old policy stays in force with its state", () => {
    const policy = {
      kind: "rego",
      text: "package agent_policy\nimport rego.v1\ndefault SetPolicyRequest := true\ndefault StartContainerRequest := true",
    } as const;
    const gate = new PolicyGate({
      policy,
      origin: { kind: "default-file", path: "/p" },
      debug: false,
      log: recordingLog().log,
    });
    const decide = decider(gate);
    expect(() => gate.setPolicy("package agent_policy\nbroken {")).toThrow(
      expect.objectContaining({ code: "invalid-argument", message: expect.stringContaining("agent_policy:2") }),
    );
    expect(decide("StartContainer", { container_id: "c1" }).kind).toBe("allow");
    gate.setPolicy("package agent_policy\ndefault StartContainerRequest := false");
    expect(gate.status.origin).toBe("set-policy");
    expect(() => decide("StartContainer", { container_id: "c1" })).toThrow("is blocked by policy");
    expect(() => decide("SetPolicy", { policy: "x" })).toThrow("unexpected eval_query result len");
  });
});
