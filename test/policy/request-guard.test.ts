import { describe, expect, test } from "vitest";
import { isContainerId } from "../../guest/policy/container-id.ts";
import { scriptedGate } from "./gate-under-test.ts";

const everythingAllowed = () =>
  scriptedGate({
    CreateContainerRequest: true,
    StartContainerRequest: true,
    ExecProcessRequest: true,
    ReadStreamRequest: true,
  });

const hostileIds = [
  "",
  "a",
  "a/b",
  "../x",
  "..",
  ".hidden",
  "~1x",
  "a~0b",
  "a\0b",
  "a b",
  "a\nb",
  "-flag",
  "_x",
  "__proto__",
  "ünïcode",
  "x".repeat(129),
  "x".repeat(5000),
  "sandbox_name",
  "namespace",
  "network_namespace",
];

describe("threats 17, 19: container ids are checked before the policy", () => {
  test.each(hostileIds)("%j is refused and no rule sees it", (id) => {
    const { decide, engine } = everythingAllowed();
    engine.asked.length = 0;
    expect(() => decide("StartContainer", { container_id: id })).toThrow(
      expect.objectContaining({ code: "invalid-argument", peerMessage: '"invalid container id"' }),
    );
    expect(() => decide("CreateContainer", { container_id: id })).toThrow(
      expect.objectContaining({ code: "internal", peerMessage: `invalid container ID ${id.slice(0, 128)}` }),
    );
    expect(() => decide("ReadStdout", { container_id: id })).toThrow("invalid container id");
    expect(engine.asked).toEqual([]);
  });

  test.each(["c1", "A.b_c-d", "0".repeat(64), "x".repeat(128), "constructor", "toString"])("%s is an id", (id) => {
    expect(isContainerId(id)).toBe(true);
    expect(everythingAllowed().decide("StartContainer", { container_id: id }).kind).toBe("allow");
  });

  test.each(["a/b", "..", "-rf", "x".repeat(129), "a\0", " "])("exec id %j is refused", (exec_id) => {
    const { decide } = everythingAllowed();
    expect(() => decide("ExecProcess", { container_id: "c1", exec_id })).toThrow("invalid exec id");
  });

  test.each(["", "a", "4f1c2d"])("exec id %j passes", (exec_id) => {
    expect(everythingAllowed().decide("ExecProcess", { container_id: "c1", exec_id }).kind).toBe("allow");
  });
});

describe("CreateContainer", () => {
  const mount = (destination: string, source = "proc") => ({ destination, source, type: "bind", options: [] });
  const create = (Mounts: readonly object[], Path = "/run/kata-containers/c1/rootfs") =>
    everythingAllowed().decide("CreateContainer", { container_id: "c1", OCI: { Root: { Path }, Mounts } } as never);

  test.each(["/run/kata-containers/sandbox/shm/../../../x", "..", "/x/..", "/run//x", "/a\0b"])(
    "threat 26: source %j is refused",
    (source) => {
      expect(() => create([mount("/data", source)])).toThrow(/a mount has/);
    },
  );

  test.each(["/data/../etc", "../x", "/a\0b"])("threat 26: destination %j is refused", (destination) => {
    expect(() => create([mount(destination)])).toThrow(/a mount has/);
  });

  test("a step that only begins with two dots is legitimate", () => {
    expect(create([mount("/etc/config/..data", "/run/x/..2026_01_01/key")]).kind).toBe("allow");
  });

  test.each([
    ["/data", "/data"],
    ["/data", "/data/"],
    ["/data", "//data"],
    ["/data", "/./data"],
    ["/data", "data"],
    ["/", "/."],
  ])("threat 27: %s and %s are the same destination", (first, second) => {
    expect(() => create([mount(first), mount("/else"), mount(second)])).toThrow("two mounts have the same destination");
  });

  test.each([
    "/run/kata-containers/c2/rootfs",
    "/run/kata-containers/shared/containers/c2/rootfs",
    "/run/kata-containers/c1",
    "/run/kata-containers/c1/rootfs/x",
    "/run/kata-containers/xc1/rootfs",
    "/run/kata-containers/c1/../c2/rootfs",
  ])("threat 28: root path %s is refused for container c1", (path) => {
    expect(() => create([], path)).toThrow("the root path is not the container's own");
  });

  test.each([
    "/run/kata-containers/c1/rootfs",
    "/run/kata-containers/shared/containers/c1/rootfs",
    "/run/kata-containers/shared/containers/passthrough/c1/rootfs",
  ])("root path %s is the container's own", (path) => {
    expect(create([], path).kind).toBe("allow");
  });

  test("a request without spec is left to the policy", () => {
    expect(everythingAllowed().decide("CreateContainer", { container_id: "c1" }).kind).toBe("allow");
  });
});
