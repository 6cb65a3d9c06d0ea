import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deepFreeze } from "../../guest/core/deep-freeze.ts";
import { Process, Spec } from "../../guest/rpc/messages/oci.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import type { GuestDevice } from "../../guest/runtime/conversion/devices.ts";
import { convertMounts } from "../../guest/runtime/conversion/mounts.ts";
import { convertExecProcess, convertProcess } from "../../guest/runtime/conversion/process.ts";
import { convertSpec } from "../../guest/runtime/conversion/spec.ts";
import { encodeOciJson } from "../../guest/runtime/oci-json.ts";
import type { OciSpec } from "../../guest/runtime/oci-spec.ts";

const strict = { unknownFields: "reject" } as const;

/** As a decoded request: all members there, frozen. */
function spec(init: MessageInit<Spec>): Spec {
  const whole = { Process: { Args: ["x"], Cwd: "/" }, Root: { Path: "/r" }, Linux: {}, ...init };
  return deepFreeze(decodeMessage(Spec, encodeMessage(Spec, whole), strict));
}

function process(init: MessageInit<Process>): Process {
  return deepFreeze(decodeMessage(Process, encodeMessage(Process, { Args: ["x"], Cwd: "/", ...init }), strict));
}

function convert(
  init: MessageInit<Spec>,
  paths: Readonly<Record<string, string>> = {},
  devices: Readonly<Record<string, GuestDevice>> = {},
): OciSpec {
  const environment = {
    rootfs: "/run/c/rootfs",
    cgroupPath: "/pod/c",
    namespaces: { paths, ownCgroupNamespace: false },
    findGuestDevice: (path: string) => devices[path],
  };
  const converted = convertSpec(spec(init), environment);
  return converted.withMounts(converted.mounts.map(({ mount }) => mount));
}

describe("the OCI configuration of a request", () => {
  test("has the names of the OCI specification and only what is there", () => {
    const result = convert({
      Version: "1.1.0",
      Process: {
        Terminal: true,
        ConsoleSize: { Height: 24, Width: 80 },
        User: { UID: 1, GID: 2, AdditionalGids: [3], Username: "ignored" },
        Args: ["a", "b"],
        Env: ["A=1"],
        Cwd: "/work",
        Rlimits: [{ Type: "RLIMIT_CORE", Hard: 18446744073709551615n, Soft: 0n }],
        OOMScoreAdj: -500n,
        ApparmorProfile: "dropped",
      },
      Root: { Path: "/elsewhere", Readonly: true },
      Linux: {
        Resources: {
          CPU: { Shares: 2n, Quota: -1n, Cpus: "0-1,3" },
          Memory: { Limit: 1n << 40n, Swap: -1n, DisableOOMKiller: true },
          Pids: { Limit: 7n },
          BlockIO: { Weight: 10, ThrottleReadIOPSDevice: [{ Major: 8n, Minor: 1n, Rate: 5n }] },
          HugepageLimits: [{ Pagesize: "2MB", Limit: 4n }],
          Network: { ClassID: 5 },
        },
        UIDMappings: [{ ContainerID: 0, HostID: 1000, Size: 10 }],
        MaskedPaths: ["/proc/kcore"],
        ReadonlyPaths: ["/proc/sys"],
      },
    });
    expect(JSON.parse(encodeOciJson(result))).toEqual({
      ociVersion: "1.0.2",
      process: {
        terminal: true,
        consoleSize: { height: 24, width: 80 },
        user: { uid: 1, gid: 2, additionalGids: [3] },
        args: ["a", "b"],
        env: ["A=1"],
        cwd: "/work",
        rlimits: [{ type: "RLIMIT_CORE", hard: 18446744073709552000, soft: 0 }],
        noNewPrivileges: false,
        oomScoreAdj: -500,
      },
      root: { path: "/run/c/rootfs", readonly: true },
      mounts: [],
      annotations: {},
      linux: {
        namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
        cgroupsPath: "/pod/c",
        resources: {
          cpu: { shares: 2, cpus: "0-1,3" },
          memory: { limit: 1099511627776, disableOOMKiller: true },
          pids: { limit: 7 },
          blockIO: { weight: 10, throttleReadIOPSDevice: [{ major: 8, minor: 1, rate: 5 }] },
          hugepageLimits: [{ pageSize: "2MB", limit: 4 }],
          devices: [{ allow: false, access: "rwm" }],
        },
        devices: [],
        uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
        maskedPaths: ["/proc/kcore"],
        readonlyPaths: ["/proc/sys"],
      },
    });
  });

  test("keeps all digits of a 64-bit number", () => {
    expect(encodeOciJson({ hard: 18446744073709551615n, low: -9223372036854775808n })).toBe(
      '{"hard":18446744073709551615,"low":-9223372036854775808}',
    );
    expect(() => encodeOciJson({ broken: () => 1 })).toThrow(TypeError);
  });

  test("leaves a seccomp rule's error number open when the request does", () => {
    const seccomp = convert({
      Linux: {
        Seccomp: {
          DefaultAction: "SCMP_ACT_ERRNO",
          Syscalls: [
            { Names: ["a"], Action: "SCMP_ACT_ERRNO" },
            { Names: ["b"], Action: "SCMP_ACT_ERRNO", errnoret: 0 },
            {
              Names: ["c"],
              Action: "SCMP_ACT_ERRNO",
              errnoret: 38,
              Args: [{ Index: 0n, Value: 5n, Op: "SCMP_CMP_EQ" }],
            },
          ],
        },
      },
    }).linux.seccomp;
    const rules = JSON.parse(encodeOciJson(seccomp)).syscalls;
    expect(rules[0]).not.toHaveProperty("errnoRet");
    expect(rules[1]).toMatchObject({ errnoRet: 0 });
    expect(rules[2]).toMatchObject({ errnoRet: 38, args: [{ index: 0, value: 5, valueTwo: 0, op: "SCMP_CMP_EQ" }] });
  });

  test("threat 22: annotations that crun and runc obey do not reach them", () => {
    const annotations = {
      "run.oci.handler": "krun",
      "run.oci.seccomp.receiver": "/run/x",
      "org.systemd.property.X": "1",
    };
    expect(convert({ Annotations: annotations }).annotations).toEqual({});
  });

  test("joins the sandbox's namespaces and keeps its name when it does", () => {
    const known = { ipc: "/ns/ipc", uts: "/ns/uts", network: "/run/netns/podns", pid: "/proc/7/ns/pid" };
    const request = {
      Hostname: "pod",
      Linux: { Namespaces: [{ Type: "network" }, { Type: "network", Path: "/run/netns/podns" }, { Type: "cgroup" }] },
    };
    const joined = convert(request, known);
    expect(joined.hostname).toBeUndefined();
    expect(joined.linux.namespaces).toEqual([
      { type: "network", path: "/run/netns/podns" },
      { type: "cgroup" },
      { type: "pid", path: "/proc/7/ns/pid" },
      { type: "ipc", path: "/ns/ipc" },
      { type: "uts", path: "/ns/uts" },
      { type: "mount" },
    ]);
    expect(convert({ Hostname: "pod" }).hostname).toBe("pod");
  });

  test("has devices of the guest's choice with the guest's numbers", () => {
    const devices = { "/dev/fuse": { type: "c", major: 10, minor: 229 } as const };
    const linux = {
      Devices: [
        { Path: "/dev/null", Type: "c" },
        { Path: "/dev/fuse", Type: "c", FileMode: 0o107666, UID: 5 },
      ],
    };
    const result = convert({ Linux: linux }, {}, devices).linux;
    expect(result.devices).toEqual([
      { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o666, uid: 5, gid: 0 },
    ]);
    expect(result.resources.devices).toEqual([
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    ]);
  });

  test("takes only settings that belong to a namespace of the container", () => {
    const sysctl = { "kernel.shmmax": "1", "fs.mqueue.msg_max": "2", "kernel.domainname": "d" };
    expect(convert({ Linux: { Sysctl: sysctl } }).linux.sysctl).toEqual(sysctl);
    const net = { Linux: { Sysctl: { "net.ipv4.ip_forward": "1" } } };
    expect(() => convert(net)).toThrow("needs a network namespace");
    expect(convert(net, { network: "/run/netns/podns" }).linux.sysctl).toEqual({ "net.ipv4.ip_forward": "1" });
    for (const name of [
      "kernel.core_pattern",
      "kernel.modprobe",
      "fs.suid_dumpable",
      "kernel.shm_next_id",
      "",
      "net..x",
    ]) {
      expect(() => convert({ Linux: { Sysctl: { [name]: "1" } } })).toThrow();
    }
  });

  test("an environment entry needs a name; values stay as they are", () => {
    const env = ["A=1", "novalue", "=x", "B= spaced ", "C=", "D=a=b"];
    expect(convertProcess(process({ Env: env })).env).toEqual(["A=1", "B= spaced ", "C=", "D=a=b"]);
  });

  test("an exec takes rlimits, OOM score and, where it names none, capabilities from the container", () => {
    const capabilities = { Bounding: ["CAP_KILL"] };
    const container = convertProcess(
      process({ Capabilities: capabilities, OOMScoreAdj: 7n, Rlimits: [{ Type: "RLIMIT_CPU", Hard: 1n, Soft: 1n }] }),
    );
    const exec = convertExecProcess(process({ OOMScoreAdj: -1000n, Rlimits: [] }), container);
    expect(exec.oomScoreAdj).toBe(7);
    expect(exec.rlimits).toEqual(container.rlimits);
    expect(exec.capabilities?.bounding).toEqual(["CAP_KILL"]);
    expect(convertExecProcess(process({ Capabilities: {} }), container).capabilities?.bounding).toEqual([]);
  });

  test("threat 56: what the container can't gain an exec can't either; shims in Go never say so", () => {
    const restricted = convertProcess(process({ NoNewPrivileges: true }));
    expect(convertExecProcess(process({}), restricted).noNewPrivileges).toBe(true);
    const free = convertProcess(process({}));
    expect(convertExecProcess(process({ NoNewPrivileges: true }), free).noNewPrivileges).toBe(true);
    expect(convertExecProcess(process({}), free).noNewPrivileges).toBe(false);
  });

  test("V5: a process for which no OOM score is asked has none, rather than the agent's, which the kernel spares", () => {
    expect(convertProcess(process({ OOMScoreAdj: 0n })).oomScoreAdj).toBe(0);
  });

  test("an emptyDir's mount of type local is a bind", () => {
    const mount = { destination: "/data/", source: "/run/x", type: "local", options: ["rbind", "rw"] };
    const [converted] = convertMounts(spec({ Mounts: [mount] }).Mounts);
    expect(converted).toEqual({
      kind: "bind",
      mount: { destination: "/data", type: "bind", source: "/run/x", options: ["rbind", "rw"] },
    });
    const [plain] = convertMounts(spec({ Mounts: [{ destination: "/d", source: "/run/x", type: "bind" }] }).Mounts);
    expect(plain?.mount.options).toEqual(["rbind"]);
  });

  test("threat 27: no mount hides another: parents come first, the rest as it was", () => {
    const asked = ["/a/b/c", "/z", "/a//d/", "/a", "/b"];
    const { Mounts } = spec({
      Mounts: asked.map((destination) => ({ destination, source: "/run/x", type: "bind" })),
    });
    const made = convertMounts(Mounts).map(({ mount }) => mount.destination);
    expect(made).toEqual(["/z", "/a", "/b", "/a/d", "/a/b/c"]);
  });

  test("threat 40: whatever the destination, it is refused or absolute, clean, and not the root or below /proc", () => {
    const step = fc.constantFrom("a", "..", ".", "", "proc", "cpuinfo", "net", "dev", "self", "\0", " ");
    const path = fc.array(step, { maxLength: 5 }).map((steps) => `/${steps.join("/")}`);
    fc.assert(
      fc.property(path, (destination) => {
        let mounts: ReturnType<typeof convertMounts>;
        try {
          mounts = convertMounts([{ destination, source: "/run/x", type: "bind", options: [] }]);
        } catch {
          return;
        }
        const result = mounts[0]?.mount.destination ?? "";
        expect(result).toMatch(/^\/[^/]/);
        expect(result.split("/").slice(1)).not.toContain("..");
        expect(result).not.toContain("\0");
        expect(result.endsWith("/")).toBe(false);
        if (result.startsWith("/proc/")) expect(["/proc/cpuinfo", "/proc/net/dev"]).toContain(result);
        expect(result).not.toBe("/proc");
      }),
    );
  });

  test("threat 45: settings that the host may not choose change nothing", () => {
    const base = convert({});
    const altered: readonly MessageInit<Spec>[] = [
      { Linux: { CgroupsPath: "/../../escape" } },
      { Linux: { Resources: { Devices: [{ Allow: true, Access: "rwm" }] } } },
      { Linux: { IntelRdt: { L3CacheSchema: "x" } } },
      { Process: { Args: ["x"], Cwd: "/", ApparmorProfile: "unconfined" } },
      { Linux: { Resources: { Network: { ClassID: 1 } } } },
    ];
    for (const init of altered) expect(encodeOciJson(convert(init))).toBe(encodeOciJson(base));
  });
});
