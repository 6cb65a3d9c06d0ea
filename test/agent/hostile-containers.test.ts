import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CreateContainerRequest } from "../../guest/rpc/messages/agent.ts";
import type { Mount, Spec } from "../../guest/rpc/messages/oci.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, processRequest, sandboxId } from "./requests.ts";
import { exec, failure, run } from "./running.ts";

describe.skipIf(whyNoContainers !== undefined)("hostile containers, with a policy that allows everything", () => {
  let guest: GuestFixture;
  beforeAll(async () => {
    guest = new GuestFixture();
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    await run(guest, "honest", ["sleep", "1000"]);
  });
  afterAll(async () => {
    // Whatever was tried, what runs has not been harmed.
    expect((await exec(guest, "honest", "alive", ["echo", "alive"])).stdout).toBe("alive\n");
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });

  /** Tries to make a container and expects it to fail without a trace. */
  async function refused(
    request: MessageInit<CreateContainerRequest>,
  ): Promise<{ readonly code: string; readonly message: string }> {
    const before = readdirSync(guest.paths.base).sort();
    const result = await failure(guest.call("CreateContainer", request));
    expect(readdirSync(guest.paths.base).sort()).toEqual(before);
    return result;
  }
  const withSpec = (spec: MessageInit<Spec>): MessageInit<CreateContainerRequest> =>
    containerRequest(guest.paths, "victim", ["true"], { spec });
  const withMount = (mount: MessageInit<Mount>): MessageInit<CreateContainerRequest> => withSpec({ Mounts: [mount] });

  test.each([
    ["empty", ""],
    ["one character", "a"],
    ["a slash", "a/b"],
    ["parent steps", "../x"],
    ["dots", ".."],
    ["a zero byte", "a\0b"],
    ["a newline", "ab\n"],
    ["an option", "--help"],
    ["a prototype's name", "__proto__"],
    ["5,000 characters", "a".repeat(5000)],
  ])("container id: %s", async (_name, id) => {
    const result = await refused(containerRequest(guest.paths, id, ["true"]));
    expect(result.code).toBe("internal");
    expect(result.message).toMatch(/^invalid container ID /);
    expect(result.message.length).toBeLessThan(200);
    for (const method of ["StartContainer", "RemoveContainer"] as const) {
      expect((await failure(guest.call(method, { container_id: id }))).message).toBe("Invalid container id");
    }
  });

  test.each(["shared", "sandbox", "constructor", "hasOwnProperty", "toString"])(
    "container id %s is no way into podkeep's own directories or objects",
    async (id) => {
      expect((await failure(guest.call("StartContainer", { container_id: id }))).message).toBe("Invalid container id");
      if (id === "shared" || id === "sandbox") {
        expect((await refused(containerRequest(guest.paths, id, ["true"]))).code).toBe("already-exists");
      }
    },
  );

  test.each([
    ["with a slash", "a/b"],
    ["of dots", ".."],
    ["of a prototype's name", "__proto__"],
    ["that is empty", ""],
    ["of 5,000 characters", "x".repeat(5000)],
    ["that is an option", "--root"],
  ])("threat 56: exec id %s is refused", async (_name, execId) => {
    const request = { container_id: "honest", exec_id: execId, process: processRequest(["true"]) };
    expect((await failure(guest.call("ExecProcess", request))).code).toBe("invalid-argument");
    expect((await failure(guest.call("WaitProcess", { container_id: "honest", exec_id: `${execId}?` }))).message).toBe(
      "InvalidExecId",
    );
  });

  test.each(["Prestart", "Poststart", "Poststop", "CreateRuntime", "CreateContainer", "StartContainer"])(
    "threat 33: OCI hooks of kind %s are refused",
    async (kind) => {
      const canary = join(guest.root, "hooked");
      const result = await refused(withSpec({ Hooks: { [kind]: [{ Path: "/bin/touch", Args: ["touch", canary] }] } }));
      expect(result).toEqual({ code: "permission-denied", message: "OCI hooks are not allowed" });
      expect(existsSync(canary)).toBe(false);
    },
  );

  test("threat 27: destinations have to be unique once normalised", async () => {
    const tmpfs = { source: "tmpfs", type: "tmpfs" };
    for (const twin of ["/data", "/data/", "//data", "/./data", "/data/."]) {
      const mounts = [
        { destination: "/data", ...tmpfs },
        { destination: twin, ...tmpfs },
      ];
      expect((await refused(withSpec({ Mounts: mounts }))).message).toBe("two mounts have the same destination");
    }
  });

  test.each([
    "/",
    "//",
    "/.",
    "",
    "data",
    "../data",
    "/a/../../etc",
    "/a\0b",
    "/proc",
    "/proc/self/attr",
    "/proc/sys/kernel/core_pattern",
    "/proc/cpuinfo/x",
  ])("threat 40: nothing is bound at %j", async (destination) => {
    await refusesDestination(destination);
  });

  test("threat 40: nothing is bound at a path that is too long", async () => {
    await refusesDestination(`/${"d".repeat(5000)}`);
  });

  async function refusesDestination(destination: string): Promise<void> {
    const source = join(guest.paths.sharedContainers, "source");
    const result = await refused(withMount({ destination, source, type: "bind", options: ["rbind"] }));
    expect(["permission-denied", "internal"]).toContain(result.code);
    expect(result.message).toContain("mount destination");
  }

  test("threat 40: an image whose /dev or /proc is a link is refused", async () => {
    for (const [index, name] of ["dev", "proc", "sys"].entries()) {
      const image = `busybox-link-${name}`;
      const result = await refused(containerRequest(guest.paths, `link-${index}`, ["true"], { image }));
      expect(result.message).toBe("the image has a link where a file system is to be mounted");
    }
  });

  test.each([
    "/",
    "/etc",
    "/run/confidential-containers",
    "/run/peerpod",
    "../..",
    "etc",
    "/proc/1/root",
    "$shared/../../../etc",
    "$shared",
    "$shared/",
    "$shared/.",
    "$sandbox",
    "$base/honest/rootfs",
    "$base/honest/config.json",
    "$state",
    "$shared/a\0b",
  ])("threats 41, 127: nothing is bound from %j", async (pattern) => {
    const { sharedContainers, sandboxStorage, base, runtimeState } = guest.paths;
    const source = pattern
      .replace("$shared", sharedContainers)
      .replace("$sandbox", sandboxStorage)
      .replace("$base", base)
      .replace("$state", runtimeState);
    for (const type of ["bind", "local", "tmpfs", "proc"]) {
      const result = await refused(withMount({ destination: "/data", source, type, options: ["rbind", "ro"] }));
      expect(result.code).toBe("permission-denied");
    }
  });

  test("threat 41: links that the host has planted on the way to a source lead nowhere", async () => {
    const { sharedContainers } = guest.paths;
    const link = { file_mode: 0o120777, dir_mode: 0o750, data: Buffer.from("/etc") };
    await guest.call("CopyFile", { ...link, path: join(sharedContainers, "planted") });
    for (const source of ["planted", "planted/ssl", "planted/passwd"]) {
      const result = await refused(
        withMount({ destination: "/data", source: join(sharedContainers, source), type: "bind", options: ["rbind"] }),
      );
      expect(result).toEqual({ code: "permission-denied", message: "path leads through a link" });
    }
  });

  test.each(["overlay", "ext4", "9p", "virtiofs", "nfs", "fuse", "debugfs", ""])(
    "a file system of type %j is refused",
    async (type) => {
      const result = await refused(withMount({ destination: "/data", source: "x", type }));
      expect(result.message).toBe("mount type is not one that a container may have");
    },
  );

  test("virtual file systems stay at their place, mounts do not propagate outwards", async () => {
    expect((await refused(withMount({ destination: "/mnt", source: "proc", type: "proc" }))).message).toBe(
      "a proc mount belongs at /proc",
    );
    expect((await refused(withMount({ destination: "/proc/acpi", source: "x", type: "tmpfs" }))).code).toBe(
      "permission-denied",
    );
    const source = join(guest.paths.sharedContainers, "source");
    for (const option of ["shared", "rshared"]) {
      const mount = { destination: "/data", source, type: "bind", options: ["rbind", option] };
      expect((await refused(withMount(mount))).message).toBe("mount would propagate into the guest");
    }
    expect((await refused(withSpec({ Linux: { RootfsPropagation: "rshared" } }))).code).toBe("permission-denied");
  });

  test("threat 44: only the pod's namespaces can be joined", async () => {
    for (const type of ["network", "pid", "ipc", "uts", "mount", "user", "cgroup"]) {
      const namespaces = [{ Type: type, Path: `/proc/1/ns/${type}` }];
      expect((await refused(withSpec({ Linux: { Namespaces: namespaces } }))).code).toBe("permission-denied");
    }
    expect((await refused(withSpec({ Linux: { Namespaces: [{ Type: "time" }] } }))).code).toBe("internal");
    expect((await refused(withSpec({ Linux: { Namespaces: [{ Type: "ipc" }, { Type: "ipc" }] } }))).code).toBe(
      "internal",
    );
  });

  test("threat 44: a container without namespaces in its spec is isolated all the same", async () => {
    await run(guest, "bare", ["sleep", "1000"], { spec: { Linux: {} } });
    const links = ["sh", "-c", "ls -l /proc/1/ns"];
    const bare = (await exec(guest, "bare", "e1", links)).stdout;
    const mine = readdirSync("/proc/self/ns");
    expect(mine).toContain("pid");
    const own = (await exec(guest, "honest", "e2", links)).stdout;
    const inode = (text: string, type: string) => new RegExp(`${type}:\\[(\\d+)\\]`).exec(text)?.[1];
    for (const type of ["pid", "mnt"]) expect(inode(bare, type)).not.toBe(inode(own, type));
    for (const type of ["ipc", "uts"]) expect(inode(bare, type)).toBe(inode(own, type));
    await guest.call("RemoveContainer", { container_id: "bare" });
  });

  test("threat 45: the control group is below the pod's, whatever path the host names", async () => {
    for (const [index, path] of ["/", "/../..", "/system.slice", "system.slice:kata:x", ""].entries()) {
      const id = `cg-${index}`;
      await run(guest, id, ["sleep", "1000"], { spec: { Linux: { CgroupsPath: path } } });
      const { stdout } = await exec(guest, id, "e1", ["cat", "/proc/self/cgroup"]);
      expect(stdout).toContain(`${guest.paths.cgroupParent}/${id}`);
      await guest.call("RemoveContainer", { container_id: id });
    }
  });

  test("threat 45: device rules of the host are not taken; a container reaches only the standard devices", async () => {
    await run(guest, "dev", ["sleep", "1000"], {
      process: {
        Capabilities: {
          Bounding: ["CAP_MKNOD"],
          Effective: ["CAP_MKNOD"],
          Permitted: ["CAP_MKNOD"],
        },
      },
      spec: { Linux: { Resources: { Devices: [{ Allow: true, Access: "rwm" }] } } },
    });
    const open = ["sh", "-c", "/bin/busybox mknod /tmp/mem c 1 1 && cat /tmp/mem | head -c 1"];
    const result = await exec(guest, "dev", "e1", open);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(/not permitted|denied/i);
    await guest.call("RemoveContainer", { container_id: "dev" });
  });

  test.each([
    ["/dev/mem", "c", 1n, 1n],
    ["/dev/vda", "b", 254n, 0n],
    ["/dev/sev-guest", "c", 10n, 124n],
    ["/dev/trusted_store", "b", 8n, 0n],
    ["/dev/fuse", "c", 1n, 1n],
    ["/dev/fuse", "b", 10n, 229n],
  ])("threat 46: device %s as %s %s:%s is refused", async (path, type, major, minor) => {
    const result = await refused(
      withSpec({ Linux: { Devices: [{ Path: path, Type: type, Major: major, Minor: minor }] } }),
    );
    expect(result.code).toBe("permission-denied");
  });

  test("threat 48: streams over separate ports are refused", async () => {
    for (const port of ["stdin_port", "stdout_port", "stderr_port"]) {
      const request = { ...containerRequest(guest.paths, "victim", ["true"]), [port]: 1027 };
      expect((await refused(request)).code).toBe("permission-denied");
      const process = { container_id: "honest", exec_id: "e9", process: processRequest(["true"]), [port]: 1 };
      expect((await failure(guest.call("ExecProcess", process))).code).toBe("permission-denied");
    }
  });

  test("threats 28, 37, 38: the root file system is the container's own image and nothing else", async () => {
    const request = containerRequest(guest.paths, "victim", ["true"]);
    const storages = request.storages ?? [];
    const [image] = storages;
    expect((await refused({ ...request, storages: [] })).message).toBe("a container needs exactly one image");
    expect((await refused({ ...request, storages: [...storages, ...storages] })).code).toBe("permission-denied");
    const others = join(guest.paths.base, "honest/rootfs");
    expect((await refused(withSpec({ Root: { Path: others } }))).code).toBe("permission-denied");
    expect((await refused({ ...request, storages: [{ ...image, mount_point: others }] })).code).toBe(
      "permission-denied",
    );
    expect((await refused({ ...request, storages: [{ ...image, driver: "local" }] })).code).toBe("permission-denied");
    mkdirSync(join(guest.paths.base, "victim/rootfs"), { recursive: true });
    expect((await refused(request)).code).toBe("already-exists");
    rmSync(join(guest.paths.base, "victim"), { recursive: true });
  });

  test("threat 39: storage and spec have to agree on what is the sandbox container", async () => {
    const spec = { "io.kubernetes.cri.container-type": "sandbox" };
    const base = containerRequest(guest.paths, "victim2", ["true"], { image: "pause" });
    const message = "image and spec disagree on whether this is the sandbox container";
    expect((await refused({ ...base, OCI: { ...base.OCI, Annotations: spec } })).message).toBe(message);
    const pause = containerRequest(guest.paths, "victim2", ["true"], { sandbox: true });
    const plain = { "io.kubernetes.cri.container-type": "container" };
    expect((await refused({ ...pause, OCI: { ...pause.OCI, Annotations: plain } })).message).toBe(message);
  });

  test("threats 29, 39: a container of an image cannot be made the pause container, whose program would run in its place", async () => {
    const marks = [
      { "io.kubernetes.cri.container-type": "sandbox" },
      { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri-o.ContainerType": "sandbox" },
      { "io.kubernetes.cri-o.ContainerType": "sandbox" },
    ];
    for (const Annotations of marks) {
      const base = containerRequest(guest.paths, "victim4", ["true"]);
      const driver_options = [`image_guest_pull=${JSON.stringify({ metadata: Annotations })}`];
      const [image] = base.storages ?? [];
      const request = { ...base, storages: [{ ...image, driver_options }], OCI: { ...base.OCI, Annotations } };
      expect((await refused(request)).message).toBe("the sandbox container has no image but `pause`");
    }
  });

  test("what fails late takes back what was done before: image, storage, bundle", async () => {
    const volume = join(guest.paths.sandboxStorage, "ephemeral/cache");
    const storage = { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", mount_point: volume };
    const request = containerRequest(guest.paths, "late", ["nope"]);
    const result = await refused({ ...request, storages: [storage, ...(request.storages ?? [])] });
    expect(result.message).toBe("the file nope was not found");
    expect(existsSync(volume)).toBe(false);
    // An image that cannot be pulled.
    expect((await refused(containerRequest(guest.paths, "late", ["true"], { image: "missing:1" }))).code).toBe(
      "not-found",
    );
    // A second storage that fails after a first has been attached.
    const bad = { ...storage, mount_point: "/etc" };
    expect((await refused({ ...request, storages: [storage, bad, ...(request.storages ?? [])] })).code).toBe(
      "permission-denied",
    );
    expect(existsSync(volume)).toBe(false);
  });

  test("malformed specs", async () => {
    const request = containerRequest(guest.paths, "victim3", ["true"]);
    const { OCI: spec } = request;
    const broken: readonly [string, MessageInit<CreateContainerRequest>][] = [
      ["EINVAL: Invalid argument", { ...request, OCI: undefined }],
      ["Spec does not contain a process", { ...request, OCI: { ...spec, Process: undefined } }],
      ["Spec does not contain linux field", { ...request, OCI: { ...spec, Linux: undefined } }],
      ["process has no arguments", containerRequest(guest.paths, "victim3", [])],
      [
        "process working directory is not absolute",
        containerRequest(guest.paths, "victim3", ["true"], { process: { Cwd: "tmp" } }),
      ],
      [
        "OOMScoreAdj is not between -1000 and 1000",
        containerRequest(guest.paths, "victim3", ["true"], { process: { OOMScoreAdj: 9999n } }),
      ],
      [
        "Failed to find the device handler blk",
        { ...request, devices: [{ id: "d", type: "blk", vm_path: "/dev/vdb" }] },
      ],
      [
        "Failed to find the storage handler nope",
        { ...request, storages: [...(request.storages ?? []), { driver: "nope" }] },
      ],
      ["Kernel hostname specfied in Spec", withSpec({ Linux: { Sysctl: { "kernel.hostname": "x" } } })],
      ["Sysctl config contains invalid settings", withSpec({ Linux: { Sysctl: { "vm.overcommit_memory": "1" } } })],
      ["Sysctl config contains invalid settings", withSpec({ Linux: { Sysctl: { "net.ipv4/../../vm/x": "1" } } })],
    ];
    for (const [message, bad] of broken) expect((await refused(bad)).message).toBe(message);
    const gpu = { "cdi.k8s.io/peer-pods": "nvidia.com/gpu=all" };
    expect((await refused({ ...request, OCI: { ...spec, Annotations: gpu } })).code).toBe("unimplemented");
  });
});
