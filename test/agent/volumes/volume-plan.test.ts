import { describe, expect, test } from "vitest";
import { cloudVolumesAnnotation } from "../../../guest/agent/volumes/cloud-volume-annotation.ts";
import { csiTargetsAnnotation } from "../../../guest/agent/volumes/csi-targets.ts";
import { planVolumes } from "../../../guest/agent/volumes/volume-plan.ts";
import { deepFreeze } from "../../../guest/core/deep-freeze.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { Spec } from "../../../guest/rpc/messages/oci.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { createGuestPaths } from "../../../guest/runtime/guest-paths.ts";
import { sandboxId } from "../requests.ts";
import { failure } from "../running.ts";
import { VolumeFixture, whyNoDisks } from "./volume-fixture.ts";

const paths = createGuestPaths({ networkNamespace: undefined });
const csi = "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/pvc/mount";

function specWith(destinations: readonly string[], mountPoint: string): Spec {
  const volume = { mount_point: mountPoint, lun: "0", encrypt_type: "luks2", key_id: "a/b/c" };
  const init = {
    Mounts: destinations.map((destination, index) => ({
      destination,
      source: `s${index}`,
      type: "x",
      options: ["ro"],
    })),
    Annotations: { [cloudVolumesAnnotation]: JSON.stringify({ v: volume }), [csiTargetsAnnotation]: csi },
  };
  return deepFreeze(decodeMessage(Spec, encodeMessage(Spec, init), { unknownFields: "reject" }));
}

test("threat 20: the mount is changed in a copy; the request stays as the policy has judged it", () => {
  const spec = specWith(["/a", "/data", "/b"], "/data");
  const before = structuredClone(spec);
  const { mounts, unused } = planVolumes(spec, paths);
  expect(mounts.map(({ source, type }) => [source, type])).toEqual([
    ["s0", "x"],
    ["/run/cloud-volumes/v", "bind"],
    ["s2", "x"],
  ]);
  expect(mounts[0]?.options).toEqual(["ro"]);
  // Last, so that no option of the host's takes them back.
  expect(mounts[1]?.options).toEqual(["ro", "nosuid", "nodev"]);
  expect(unused).toEqual([]);
  expect(spec).toEqual(before);
});

test("the first mount of the destination, however it is spelt; none is no error", () => {
  for (const spelling of ["/data/", "//data", "/./data"]) {
    expect(planVolumes(specWith([spelling, "/data"], "/data"), paths).mounts[0]?.source).toBe("/run/cloud-volumes/v");
  }
  const { mounts, unused } = planVolumes(specWith(["/database", "/data/sub"], "/data"), paths);
  expect(mounts.map(({ source }) => source)).toEqual(["s0", "s1"]);
  expect(unused).toEqual(["v"]);
});

test("a cloud volume that the list of CSI targets has, too, is waited for by nobody", () => {
  const spec = specWith(["/data", "/other"], "/data");
  const mounts = spec.Mounts.map((mount) => ({ ...mount, source: csi }));
  const plan = planVolumes({ ...spec, Mounts: mounts.slice(0, 1) }, paths);
  expect(plan.csiTargets).toEqual([]);
  expect(plan.mounts.map(({ source }) => source)).toEqual(["/run/cloud-volumes/v"]);
  expect(planVolumes({ ...spec, Mounts: mounts }, paths).csiTargets).toEqual([csi]);
});

test("threat 41: which sources a bind mount may have", () => {
  const used = planVolumes(specWith(["/data"], "/data"), paths);
  for (const source of ["/run/cloud-volumes/v", csi, "/run/kata-containers/shared/containers/x"])
    used.checkSource(source);
  for (const source of [`${csi}/x`, "/etc"]) {
    expect(() => used.checkSource(source)).toThrow(expect.objectContaining({ code: "permission-denied" }));
  }
});

test("threat 41: hosts don't name the place of a cloud volume, not even of one that the container has elsewhere", () => {
  const spec = specWith(["/data", "/other"], "/data");
  for (const source of ["/run/cloud-volumes/v", "/run/cloud-volumes/v/", "/run/./cloud-volumes//w/x"]) {
    const mounts = spec.Mounts.map((mount, index) => (index === 0 ? mount : { ...mount, source }));
    expect(() => planVolumes({ ...spec, Mounts: mounts }, paths)).toThrow("no cloud volume is for this mount");
  }
});

describe.skipIf(whyNoDisks !== undefined)("a policy that says no", () => {
  test("threat 9: a denied CreateContainer leaves files, mounts and disks as they were", async () => {
    const fixture = new VolumeFixture({
      refuse: (method) =>
        method.name === "CreateContainer" ? new GuestError("permission-denied", "the policy says no") : undefined,
    });
    const { guest } = fixture;
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
    const mounts = [{ destination: "/new", source: `${guest.paths.sharedContainers}/made-by-the-host`, type: "bind" }];
    const requests = [
      fixture.request("c1", { data: 0 }, { fs_group: "2000" }, { mounts }),
      fixture.request("c1", { data: 3 }),
      fixture.request("c1", { data: 0 }, { encrypt_type: "" }),
      fixture.withAnnotation("c1", cloudVolumesAnnotation, "{"),
      fixture.withAnnotation("c1", csiTargetsAnnotation, csi, {
        mounts: [{ destination: "/x", source: csi, type: "bind" }],
      }),
      {},
    ];
    const before = fixture.snapshot();
    for (const request of requests) {
      // Had the agent looked at the request at all, it would have another reason.
      expect((await failure(guest.call("CreateContainer", request))).message).toContain("the policy says no");
    }
    expect(fixture.snapshot()).toEqual(before);
    await guest.call("DestroySandbox", {});
    expect(await fixture.close()).toEqual([]);
  });

  test("threat 9: an empty request is an error, and leaves nothing", async () => {
    const fixture = new VolumeFixture();
    await fixture.guest.call("CreateSandbox", { sandbox_id: sandboxId });
    const before = fixture.snapshot();
    expect((await failure(fixture.guest.call("CreateContainer", {}))).code).toBe("internal");
    expect((await failure(fixture.guest.call("CreateContainer", { container_id: "c1" }))).code).toBe("internal");
    expect((await failure(fixture.guest.call("CreateContainer", { container_id: "c1", OCI: {} }))).code).toBe(
      "permission-denied",
    );
    expect(fixture.snapshot()).toEqual(before);
    await fixture.guest.call("DestroySandbox", {});
    expect(await fixture.close()).toEqual([]);
  });
});
