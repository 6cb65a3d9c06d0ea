import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { deepFreeze } from "../../guest/core/deep-freeze.ts";
import { formatJson, type JsonObject, type JsonValue, parseJson } from "../../guest/core/json.ts";
import { copiedFileType } from "../../guest/policy/copy-file-input.ts";
import { PolicyInputs } from "../../guest/policy/policy-input.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import type { MessageInit, MethodDefinition } from "../../guest/rpc/method.ts";
import type { FieldSchema, MessageSchema } from "../../guest/rpc/protobuf/schema.ts";
import { receivedRequest } from "./gate-under-test.ts";

const inputs = new PolicyInputs();
const methods: Readonly<Record<string, MethodDefinition>> = AgentService.methods;

/** The input of a request that went over the wire. */
function inputOf<M extends keyof typeof AgentService.methods>(name: M, init: MessageInit<RequestOf<M>>): JsonObject {
  const method = AgentService.methods[name] as MethodDefinition;
  return inputs.inputOf(method.request, receivedRequest(method, init));
}

type RequestOf<M extends keyof typeof AgentService.methods> =
  (typeof AgentService.methods)[M] extends MethodDefinition<infer Request, infer _Response> ? Request : never;

/** Compares as JSON text, since objects here have no prototype and lazy members. */
function expectJson(actual: JsonValue, expected: string): void {
  expect(formatJson(sorted(actual), 1)).toBe(formatJson(sorted(parseJson(expected)), 1));
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}

const process = {
  User: { UID: 0, GID: 0, AdditionalGids: [0], Username: "" },
  Args: ["nginx"],
  Env: ["PATH=/bin"],
  Cwd: "/",
  Capabilities: { Bounding: ["CAP_CHOWN"] },
  OOMScoreAdj: 1000n,
};

describe("the input of CreateContainer", () => {
  test("is the one of spec/policy-enforcement.md 3.2: proto names, type_, every field there", () => {
    const input = inputOf("CreateContainer", {
      container_id: "c1",
      exec_id: "c1",
      storages: [
        {
          driver: "image_guest_pull",
          driver_options: ["image_guest_pull={}"],
          source: "docker.io/library/nginx:1",
          fstype: "overlay",
          mount_point: "/run/kata-containers/c1/rootfs",
        },
      ],
      OCI: {
        Version: "1.1.0",
        Process: process,
        Root: { Path: "/run/kata-containers/c1/rootfs" },
        Mounts: [{ destination: "/proc", source: "proc", type: "proc", options: ["nosuid"] }],
        Annotations: { "io.kubernetes.cri.container-type": "container" },
        Linux: { Resources: {}, CgroupsPath: "k8s", Namespaces: [{ Type: "ipc", Path: "" }] },
      },
    } as never);
    expectJson(
      input,
      `{"container_id":"c1","exec_id":"c1","string_user":null,"devices":[],"storages":[{"driver":"image_guest_pull",
      "driver_options":["image_guest_pull={}"],"source":"docker.io/library/nginx:1","fstype":"overlay","options":[],
      "mount_point":"/run/kata-containers/c1/rootfs","fs_group":null,"shared":false}],
      "OCI":{"Version":"1.1.0","Process":{"Terminal":false,"ConsoleSize":null,"User":{"UID":0,"GID":0,"AdditionalGids":[0],"Username":""},
      "Args":["nginx"],"Env":["PATH=/bin"],"Cwd":"/","Capabilities":{"Bounding":["CAP_CHOWN"],"Effective":[],"Inheritable":[],"Permitted":[],"Ambient":[]},
      "Rlimits":[],"NoNewPrivileges":false,"ApparmorProfile":"","OOMScoreAdj":1000,"SelinuxLabel":""},
      "Root":{"Path":"/run/kata-containers/c1/rootfs","Readonly":false},"Hostname":"","Mounts":[{"destination":"/proc","source":"proc","type_":"proc","options":["nosuid"]}],
      "Hooks":null,"Annotations":{"io.kubernetes.cri.container-type":"container"},
      "Linux":{"UIDMappings":[],"GIDMappings":[],"Sysctl":{},"Resources":{"Devices":[],"Memory":null,"CPU":null,"Pids":null,"BlockIO":null,"HugepageLimits":[],"Network":null},
      "CgroupsPath":"k8s","Namespaces":[{"Type":"ipc","Path":""}],"Devices":[],"Seccomp":null,"RootfsPropagation":"","MaskedPaths":[],"ReadonlyPaths":[],"MountLabel":"","IntelRdt":null},
      "Solaris":null,"Windows":null},
      "sandbox_pidns":false,"shared_mounts":[],"stdin_port":0,"stdout_port":0,"stderr_port":0}`,
    );
  });

  test("of an empty message has every field, too", () => {
    expectJson(
      inputOf("CreateContainer", {}),
      `{"container_id":"","exec_id":"","string_user":null,"devices":[],"storages":[],"OCI":null,"sandbox_pidns":false,
        "shared_mounts":[],"stdin_port":0,"stdout_port":0,"stderr_port":0}`,
    );
  });

  test("keeps 64-bit numbers exact (spec 3.3)", () => {
    const rlimits = [{ Type: "RLIMIT_NOFILE", Hard: 18446744073709551615n, Soft: 9007199254740993n }];
    const input = inputOf("CreateContainer", { OCI: { Process: { ...process, Rlimits: rlimits } } } as never);
    const text = formatJson(input);
    expect(text).toContain('"Hard":18446744073709551615');
    expect(text).toContain('"Soft":9007199254740993');
  });

  test("has the oneof of a system call under its own name", () => {
    const withSyscall = (Syscall: object) =>
      formatJson(inputOf("CreateContainer", { OCI: { Linux: { Seccomp: { Syscalls: [Syscall] } } } } as never));
    expect(withSyscall({ Names: ["read"] })).toMatch(/"ErrnoRet":null/);
    expect(withSyscall({ Names: ["read"], errnoret: 0 })).toMatch(/"ErrnoRet":\{"Errnoret":0\}/);
    expect(withSyscall({ Names: ["read"], errnoret: 38 })).not.toMatch(/"errnoret"/);
  });

  test("threat 16: hostile annotation names are keys like any other", () => {
    const Annotations = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
    const { OCI } = inputOf("CreateContainer", { OCI: { Annotations } } as never) as unknown as {
      readonly OCI: { readonly Annotations: Record<string, string> };
    };
    expect(Object.entries(OCI.Annotations).sort()).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
      ["toString", "c"],
    ]);
    expect(Object.getPrototypeOf(OCI.Annotations)).toBeNull();
  });
});

describe("inputs of other requests", () => {
  test("bytes are lists of integers, made when a rule looks at them", () => {
    const input = inputOf("WriteStdin", { container_id: "c1", data: Uint8Array.of(0, 127, 255) });
    expectJson(input, '{"container_id":"c1","exec_id":"","data":[0,127,255]}');
    expect(input["data"]).toBe(input["data"]);
  });

  test("explicitly optional fields are null or their value, zero included", () => {
    expectJson(
      inputOf("MemAgentMemcgSet", { disabled: false, period_secs: 18446744073709551615n }),
      `{"disabled":false,"swap":null,"swappiness_max":null,"period_secs":18446744073709551615,"period_psi_percent_limit":null,
        "eviction_psi_percent_limit":null,"eviction_run_aging_count_min":null}`,
    );
  });

  test("a request without fields is an empty object", () => {
    expectJson(inputOf("GetMetrics", {}), "{}");
  });

  test("threat 20: what needs no change is the frozen request itself", () => {
    const method = AgentService.methods.StartContainer as MethodDefinition;
    const request = receivedRequest(method, { container_id: "c1" });
    expect(inputs.inputOf(method.request, request)).toBe(request);
    expect(Object.isFrozen(request)).toBe(true);
  });
});

describe("the input of CopyFile", () => {
  const file = { path: "/run/x", file_size: 9007199254740993n, file_mode: 0o100644, dir_mode: 0o755, uid: -1, gid: 7 };

  test("shows no data of a file", () => {
    expectJson(
      inputOf("CopyFile", { ...file, offset: 4n, data: new TextEncoder().encode("secret") }),
      `{"path":"/run/x","file_type":"Regular","symlink_target":null,"file_size":9007199254740993,"file_mode":33188,"dir_mode":493,
        "uid":-1,"gid":7,"offset":4}`,
    );
  });

  test("shows the target of a link", () => {
    const data = new TextEncoder().encode("../ü");
    const input = inputOf("CopyFile", { ...file, file_mode: 0o120777, data });
    expect([input["file_type"], input["symlink_target"]]).toEqual(["Symlink", "../ü"]);
  });

  test("a target that is not text fails with the reference's words and no decision", () => {
    expect(() => inputOf("CopyFile", { ...file, file_mode: 0o120777, data: Uint8Array.of(0xff) })).toThrow(
      expect.objectContaining({
        code: "internal",
        peerMessage: "parsing CopyFileRequest for policy\n\nCaused by:\n    invalid symlink content",
      }),
    );
  });

  test.each([
    [0o100644, "Regular"],
    [0o040755, "Directory"],
    [0o120777, "Symlink"],
    [0o060644, "Unknown"],
    [0o140644, "Unknown"],
    [0o160000, "Unknown"],
    [0o170000, "Unknown"],
    [0o000644, "Unknown"],
    [0o020644, "Unknown"],
    [0o010644, "Unknown"],
  ])("mode %i is %s: by the exact type bits, not by containment", (mode, type) => {
    expect(copiedFileType(mode)).toBe(type);
  });
});

/** The keys of every message of the agent as its table has them; not part of the product. */
const table = new URL("../../../shared/spec/agent-messages.tsv", import.meta.url);

if (!existsSync(table)) console.info("skipped: the table of policy keys (shared/spec) is not on this machine");
test.skipIf(!existsSync(table))("every key of every request is the one of the table", () => {
  const keys = new Map<string, string>();
  for (const line of readFileSync(table, "utf8").split("\n").slice(1)) {
    const [packageName, message, field, , , , , policyKey] = line.split("\t");
    keys.set(`${packageName}.${message}.${field}`, policyKey ?? "");
  }
  const seen = new Set<MessageSchema>();
  for (const { request } of Object.values(methods))
    if (!request.fullName.endsWith("CopyFileRequest")) visit(request, seen);
  expect(seen.size).toBeGreaterThan(60);
  for (const schema of seen) {
    const expected = schema.fields.map(({ name }) => keys.get(`${schema.fullName}.${name}`)?.split(".")[0]);
    const message = deepFreeze(Object.fromEntries(schema.fields.map((field) => [field.name, sample(field)])));
    expect([schema.fullName, ...Object.keys(inputs.inputOf(schema, message))]).toEqual([schema.fullName, ...expected]);
  }
});

function visit(schema: MessageSchema, seen: Set<MessageSchema>): void {
  if (seen.has(schema)) return;
  seen.add(schema);
  for (const { type } of schema.fields) if (typeof type === "function") visit(type(), seen);
}

function sample({ label, type }: FieldSchema): unknown {
  if (label === "repeated") return [];
  if (label === "map") return {};
  return typeof type === "function" || label !== "singular" ? null : type === "bytes" ? new Uint8Array() : 0;
}
