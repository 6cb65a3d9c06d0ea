import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { csiTargetsAnnotation, parseCsiTargets } from "../../../guest/agent/volumes/csi-targets.ts";
import { createGuestPaths } from "../../../guest/runtime/guest-paths.ts";
import { bindMount, mount, unmount } from "../../../guest/sys/mount.ts";
import { sandboxId } from "../requests.ts";
import { exec, failure } from "../running.ts";
import { VolumeFixture, whyNoDisks } from "./volume-fixture.ts";

const pod = "0b5c6a1e-6a54-4d7c-9f4b-2d1f0c3e8a77";
const notMounted = "no CSI driver in the guest has mounted the volume: nothing is mounted at the mount's source";

describe("the annotation peerpodvolumes.target_path", () => {
  const paths = createGuestPaths({ networkNamespace: undefined });
  const target = (name: string): string => `/var/lib/kubelet/pods/${pod}/volumes/kubernetes.io~csi/${name}/mount`;

  test("a list with commas; a leading one and empty parts mean nothing", () => {
    const list = `,${target("pvc-1")},,${target("pvc-2")},`;
    expect([...parseCsiTargets(list, paths)]).toEqual([target("pvc-1"), target("pvc-2")]);
    for (const none of [undefined, "", ",", ",,,"]) expect(parseCsiTargets(none, paths).size).toBe(0);
  });

  test.each([
    "/",
    "/etc",
    "/run/confidential-containers",
    "/var/lib/kubelet",
    "/var/lib/kubelet/pods",
    `/var/lib/kubelet/pods/${pod}/volumes/kubernetes.io~csi/pvc-1`,
    `/var/lib/kubelet/pods/${pod}/volumes/kubernetes.io~empty-dir/cache`,
    target(".."),
    target("a/../../../../../../etc"),
    target("a/b"),
    `${target("pvc-1")}/`,
    `${target("pvc-1")}/sub`,
    `${target("pvc-1")}\0`,
    `/var/lib/kubelet/pods/../../../etc/volumes/kubernetes.io~csi/x/mount`,
    `/var/lib/kubelet//pods/${pod}/volumes/kubernetes.io~csi/x/mount`,
    `.${target("pvc-1")}`,
    ` ${target("pvc-1")}`,
    `${target("pvc-1")}\n`,
  ])("threat 41: %j is no path of a CSI driver", (path) => {
    expect(() => parseCsiTargets(`${target("good")},${path}`, paths)).toThrow(
      expect.objectContaining({ code: "permission-denied" }),
    );
  });

  test("it is bounded", () => {
    const many = Array.from({ length: 65 }, (_, index) => target(`pvc-${index}`));
    expect(() => parseCsiTargets(many.join(","), paths)).toThrow("too many volumes");
    expect(() => parseCsiTargets(",".repeat(70_000), paths)).toThrow("too many volumes");
  });
});

describe.skipIf(whyNoDisks !== undefined)("volumes that a CSI driver in the guest mounts", () => {
  let fixture: VolumeFixture;
  let target: string;
  const mounted: string[] = [];
  beforeEach(async () => {
    fixture = new VolumeFixture();
    target = join(fixture.guest.paths.kubeletPods, pod, "volumes/kubernetes.io~csi/pvc-1/mount");
    await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
  });
  afterEach(async () => {
    await fixture.guest.call("DestroySandbox", {});
    for (const place of mounted.splice(0)) unmount(place, { lazy: true });
    expect(await fixture.close()).toEqual([]);
  });

  /** What a CSI driver does. */
  function publish(place = target): void {
    mkdirSync(place, { recursive: true });
    mount({ source: "tmpfs", target: place, type: "tmpfs" });
    mounted.push(place);
    writeFileSync(join(place, "file"), "from the volume");
  }
  const create = (source: string, listed = source, signal?: AbortSignal): Promise<unknown> => {
    const mounts = [{ destination: "/data", source, type: "bind", options: ["rbind", "rw"] }];
    const request = fixture.withAnnotation("c1", csiTargetsAnnotation, `,${listed}`, { mounts });
    return fixture.guest.call("CreateContainer", request, signal);
  };

  test("forwarder.md 5.1: the container gets the volume, which may come late", async () => {
    const created = create(target);
    await setTimeout(300);
    publish();
    await created;
    await fixture.guest.call("StartContainer", { container_id: "c1" });
    expect((await exec(fixture.guest, "c1", "e1", ["cat", "/data/file"])).stdout).toBe("from the volume");
  });

  test("threat 41: a directory at which nothing is mounted is refused, and none is made", async () => {
    const before = fixture.snapshot();
    expect(await failure(create(target))).toEqual({ code: "deadline-exceeded", message: notMounted });
    expect(fixture.snapshot()).toEqual(before);
    mkdirSync(target, { recursive: true });
    expect((await failure(create(target))).message).toBe(notMounted);
    // What is mounted above it is another mount.
    publish(dirname(target));
    mkdirSync(target);
    expect((await failure(create(target))).message).toBe(notMounted);
  });

  test("the caller's end ends the waiting", async () => {
    const caller = new AbortController();
    const call = create(target, target, caller.signal);
    caller.abort(new Error("gone"));
    await expect(call).rejects.toThrow();
  });

  test("threat 41: a mounted volume that the annotation doesn't list is no source, nor a path below a listed one", async () => {
    publish();
    for (const [source, listed] of [
      [target, ""],
      [join(target, "file"), target],
      [`${target}/.`, target],
      [`${dirname(target)}/./mount`, target],
    ] as const) {
      expect(await failure(create(source, listed))).toEqual({
        code: "permission-denied",
        message: "path is not in a volume",
      });
    }
  });

  test("threat 41: links on the way lead nowhere", async () => {
    const elsewhere = join(fixture.guest.root, "elsewhere");
    publish(join(elsewhere, "pvc-1/mount"));
    mkdirSync(dirname(dirname(dirname(target))), { recursive: true });
    symlinkSync(elsewhere, dirname(dirname(target)));
    expect((await failure(create(target))).message).toBe("path leads through a link");
    rmSync(dirname(dirname(target)));
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(join(elsewhere, "pvc-1/mount"), target);
    expect((await failure(create(target))).message).toBe("path leads through a link");
  });

  test.each(["/", "/proc", "/etc", "/dev"])(
    "threat 41: the guest's own %s, bound to the place, is refused",
    async (path) => {
      mkdirSync(target, { recursive: true });
      bindMount(path, target, { recursive: false });
      mounted.push(target);
      expect(await failure(create(target))).toEqual({
        code: "permission-denied",
        message: "a CSI volume is a file system that the guest itself uses",
      });
    },
  );
});
