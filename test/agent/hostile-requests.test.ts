import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { maxProcesses } from "../../guest/agent/limits.ts";
import { ProcessTable } from "../../guest/agent/process-table.ts";
import { AgentService, type CreateContainerRequest } from "../../guest/rpc/messages/agent.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";
import type { ContainerProcess } from "../../guest/runtime/process.ts";
import { Cgroup } from "../../guest/sys/cgroup.ts";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, processRequest, sandboxId } from "./requests.ts";
import { exec, failure, run } from "./running.ts";

const lastProcessId = "/proc/sys/kernel/ns_last_pid";
const canChooseIds = existsSync(lastProcessId);
if (!canChooseIds) console.warn(`a test of reused process ids is skipped: needs ${lastProcessId}`);

/** Plaintext of every sealed secret here: nothing that a host can read may ever hold it. */
const canary = "canary-2f9d1c";

describe.skipIf(whyNoContainers !== undefined)("hostile requests, with a policy that allows everything", () => {
  const unsealed: string[] = [];
  let guest: GuestFixture;
  beforeAll(async () => {
    const unsealSecret = async (secret: string): Promise<Uint8Array> => {
      unsealed.push(secret);
      return Buffer.from(canary);
    };
    guest = new GuestFixture({ dependencies: { unsealer: { unsealSecret } } });
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    await run(guest, "honest", ["sleep", "1000"]);
  });
  afterAll(async () => {
    expect((await exec(guest, "honest", "alive", ["echo", "alive"])).stdout).toBe("alive\n");
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });

  /** Tries to make a container and expects it to fail without a trace. */
  async function refused(request: MessageInit<CreateContainerRequest>): Promise<string> {
    const before = readdirSync(guest.paths.base).sort();
    const { code } = await failure(guest.call("CreateContainer", request));
    expect(readdirSync(guest.paths.base).sort()).toEqual(before);
    return code;
  }

  test.each(["blk", "mmioblk", "scsi", "nvdimm", "blk-ccw", "virtio-blk", "blk-multi"])(
    "threat 43: a disk by the driver %s is not attached, encrypted or not",
    async (driver) => {
      const request = containerRequest(guest.paths, "victim", ["true"]);
      for (const driver_options of [[], ["encryption_key=ephemeral"]]) {
        const disk = { driver, driver_options, source: "/dev/vdb", fstype: "ext4", mount_point: "/run/disk" };
        expect(await refused({ ...request, storages: [...(request.storages ?? []), disk] })).toBe("internal");
      }
    },
  );

  test.each(["virtio-fs", "9p", "virtiofs", "nydus", "local-fs"])(
    "threat 80: nothing is shared with the host by the driver %s",
    async (driver) => {
      const request = containerRequest(guest.paths, "victim", ["true"]);
      const share = { driver, source: "kataShared", fstype: driver, mount_point: guest.paths.sharedContainers };
      expect(await refused({ ...request, storages: [...(request.storages ?? []), share] })).toBe("internal");
      expect((await failure(guest.call("UpdateEphemeralMounts", { storages: [share] }))).code).toBe("internal");
    },
  );

  test.each(["vfio-pci", "vfio-pci-gk", "vfio-ap", "nvidia", "blk"])(
    "threat 47: a device of type %s is not handed to a container",
    async (type) => {
      const request = containerRequest(guest.paths, "victim", ["true"]);
      const device = {
        id: "gpu0",
        type,
        vm_path: "",
        container_path: "/dev/nvidia0",
        options: ["0000:00:05.0=01:00.0"],
      };
      expect(await refused({ ...request, devices: [device] })).toBe("internal");
    },
  );

  test("threat 47: nor by annotation or by a node in the spec, since nothing attests a GPU", async () => {
    const { OCI: spec, ...request } = containerRequest(guest.paths, "victim", ["true"]);
    for (const name of ["cdi.k8s.io/vfio17", "cdi.k8s.io/peer-pods", "cdi.k8s.io/"]) {
      const Annotations = { ...spec?.Annotations, [name]: "nvidia.com/gpu=0" };
      expect(await refused({ ...request, OCI: { ...spec, Annotations } })).toBe("unimplemented");
    }
    for (const Path of [
      "/dev/nvidia0",
      "/dev/nvidiactl",
      "/dev/vfio/17",
      "/dev/dri/card0",
      "/dev/infiniband/uverbs0",
    ]) {
      const Devices = [{ Path, Type: "c", Major: 195n, Minor: 0n }];
      expect(await refused({ ...request, OCI: { ...spec, Linux: { Devices } } })).toBe("permission-denied");
    }
  });

  test("threat 76: a container reaches no disk of the guest, whatever node it makes", async () => {
    const names = ["Bounding", "Effective", "Permitted"] as const;
    const all = ["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_SYS_RAWIO"];
    const Capabilities = Object.fromEntries(names.map((name) => [name, all]));
    await run(guest, "root", ["sleep", "1000"], { process: { Capabilities } });
    const here = readdirSync("/sys/block").map((name) => readFileSync(join("/sys/block", name, "dev"), "utf8").trim());
    // A loop device and a virtio disk, and what this machine has.
    for (const [index, numbers] of ["7:0", "254:0", ...here.slice(0, 2)].entries()) {
      const script = `mknod /tmp/d${index} b ${numbers.replace(":", " ")} && head -c 1 /tmp/d${index} && echo read`;
      const result = await exec(guest, "root", `e${index}`, ["sh", "-c", script], { process: { Capabilities } });
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(/not permitted|denied/i);
    }
    await guest.call("RemoveContainer", { container_id: "root" });
  });

  test("threat 49: processes are shared only where the request says so, and with no other sandbox", async () => {
    await run(guest, "apart", ["sleep", "1000"]);
    expect((await exec(guest, "apart", "e1", ["ps"])).stdout.match(/sleep 1000/g)).toHaveLength(1);
    await guest.call("RemoveContainer", { container_id: "apart" });
    const request = containerRequest(guest.paths, "victim", ["true"]);
    const Namespaces = [{ Type: "pid", Path: "/proc/self/ns/pid" }];
    expect(await refused({ ...request, OCI: { ...request.OCI, Linux: { Namespaces } } })).toBe("permission-denied");
  });

  test.skipIf(!canChooseIds)(
    "threat 49: a process that gets the id of the first container's while an image is pulled shares nothing",
    async () => {
      const pulling = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const { imagePuller } = guest.dependencies;
      const slow = new GuestFixture({
        dependencies: {
          imagePuller: {
            pullImage: async (reference, bundle, ...rest) => {
              pulling.resolve();
              await released.promise;
              await imagePuller.pullImage(reference, bundle, ...rest);
            },
          },
        },
      });
      let stranger: ChildProcess | undefined;
      try {
        await slow.call("CreateSandbox", { sandbox_id: sandboxId });
        await run(slow, sandboxId, [], { sandbox: true, process: { Args: ["/pause"] } });
        const pid = firstProcessBelow(slow.paths.cgroupParent, sandboxId);
        const request = containerRequest(slow.paths, "late", ["true"], { request: { sandbox_pidns: true } });
        const creation = failure(slow.call("CreateContainer", request));
        await pulling.promise;
        await slow.call("SignalProcess", { container_id: sandboxId, exec_id: "", signal: 9 });
        await slow.call("WaitProcess", { container_id: sandboxId, exec_id: "" });
        stranger = spawnWithId(pid);
        released.resolve();
        expect((await creation).code).toBe("internal");
      } finally {
        released.resolve();
        await slow.call("DestroySandbox", {});
        stranger?.kill("SIGKILL");
        expect(await slow.close()).toEqual([]);
      }
    },
  );

  test("threat 50: an exec opens no sealed secret, and no answer holds one", async () => {
    unsealed.length = 0;
    const process = { Env: ["PATH=/bin", "ORACLE=sealed.x.y.z"] };
    expect((await exec(guest, "honest", "oracle", ["env"], { process })).stdout).toContain("ORACLE=sealed.x.y.z\n");
    const broken = containerRequest(guest.paths, "victim", ["nope"], { process });
    expect(JSON.stringify(await failure(guest.call("CreateContainer", broken)))).not.toContain(canary);
    // The container that was refused is the only one that it was opened for.
    expect(unsealed).toEqual(["sealed.x.y.z"]);
    const hooked = { ...broken, OCI: { ...broken.OCI, Hooks: { Prestart: [{ Path: "/bin/true" }] } } };
    expect(await refused(hooked)).toBe("permission-denied");
    expect(unsealed).toHaveLength(1);
  });

  test("threat 59: what has no terminal takes no size, what has ended no input", async () => {
    const resize = { container_id: "honest", exec_id: "", row: 1, column: 1 };
    expect(await failure(guest.call("TtyWinResize", resize))).toEqual({ code: "unavailable", message: '"no tty"' });
    const input = { container_id: "honest", exec_id: "gone", data: Buffer.from("x") };
    expect((await failure(guest.call("WriteStdin", input))).code).toBe("internal");
  });

  test.each([0, 65, 1000, 0xffffffff])("threat 60: signal %d is none", async (signal) => {
    for (const exec_id of ["", "honest"]) {
      const request = { container_id: "honest", exec_id, signal };
      expect((await failure(guest.call("SignalProcess", request))).code).toBe("invalid-argument");
    }
  });

  test("threat 61: new limits change limits; device rules and malformed CPU lists don't pass", async () => {
    const Devices = [{ Allow: true, Type: "a", Access: "rwm", Major: -1n, Minor: -1n }];
    await guest.call("UpdateContainer", { container_id: "honest", resources: { Devices } });
    const script = "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem && echo read";
    const Capabilities = { Bounding: ["CAP_MKNOD"], Effective: ["CAP_MKNOD"], Permitted: ["CAP_MKNOD"] };
    expect((await exec(guest, "honest", "dev", ["sh", "-c", script], { process: { Capabilities } })).stdout).toBe("");
    for (const Cpus of ["0;reboot", "../0", "-1", "0-", "0\n1"]) {
      const request = { container_id: "honest", resources: { CPU: { Cpus } } };
      expect((await failure(guest.call("UpdateContainer", request))).code).toBe("internal");
    }
  });

  test("threat 57: an exec needs a running container, and counts until its end is collected", async () => {
    await run(guest, "ended", ["true"]);
    await guest.call("WaitProcess", { container_id: "ended", exec_id: "" });
    const late = { container_id: "ended", exec_id: "e1", process: processRequest(["true"]) };
    expect((await failure(guest.call("ExecProcess", late))).code).toBe("internal");
    await guest.call("RemoveContainer", { container_id: "ended" });
  });
});

/** The process that a container began with, as this machine numbers it. */
function firstProcessBelow(cgroupParent: string, id: string): number {
  const [first] = Cgroup.at(`${cgroupParent}/${id}`)
    .processes()
    .sort((one, other) => one - other);
  if (first === undefined) throw new Error(`no process in ${id}`);
  return first;
}

/** A process of this machine with an id that is free. Others may start a process just then, so it takes a few tries. */
function spawnWithId(pid: number): ChildProcess {
  for (let attempt = 0; attempt < 50; attempt++) {
    writeFileSync(lastProcessId, `${pid - 1}`);
    const child = spawn("/bin/busybox", ["sleep", "1000"], { stdio: "ignore" });
    if (child.pid === pid) return child;
    child.kill("SIGKILL");
  }
  throw new Error(`no process got the id ${pid}`);
}

test("threat 57: a container has a bounded number of processes, and room again when one was collected", async () => {
  const process = { exited: Promise.resolve(0) } as unknown as ContainerProcess; // the table looks at nothing else here
  const table = new ProcessTable("c1", process);
  const start = async (): Promise<ContainerProcess> => process;
  for (let index = 1; index < maxProcesses; index++) await table.add(`e${index}`, start);
  await expect(table.add("one-more", start)).rejects.toMatchObject({ code: "resource-exhausted" });
});

test("threat 68: there is no tracing to switch on", () => {
  expect(Object.keys(AgentService.methods).filter((name) => /trac/i.test(name))).toEqual([]);
});
