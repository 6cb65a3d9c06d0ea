import { readFileSync } from "node:fs";
import { getuid } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildBusyboxImage } from "../registry/image-builder.ts";
import { type Registry, startRegistry } from "../registry/registry.ts";
import type { ContainerDescription } from "../shim/container-spec.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { containerId, initdataWith } from "./pod-fixture.ts";

const shipped = readFileSync(new URL("../../policy/containers-in-order.rego", import.meta.url), "utf8");
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const commands = { unlock: ["/bin/echo", "unlocked"], web: ["/bin/sleep", "1000"] } as const;
type Name = keyof typeof commands;

/** The shipped policy with a list of its own, as its head says. */
function policyFor(image: string): string {
  const entry = (name: Name, init: boolean): object => ({ name, init, image, args: commands[name] });
  const list = [entry("unlock", true), entry("web", false)].map(
    (container) => `${JSON.stringify(container).slice(0, -1)}, "env": {"${path}"}, "mounts": {"/keys"}}`,
  );
  return shipped.replace(/^containers := \[\n[\s\S]+?^\]$/m, `containers := [${list.join(", ")}]`);
}

describe.skipIf(getuid?.() !== 0)("a pod whose policy lists its containers in order (needs root)", () => {
  let registry: Registry;
  let stack: Stack;
  let shim: KataShim;
  let image: string;
  beforeAll(async () => {
    registry = await startRegistry();
    const built = buildBusyboxImage();
    registry.push("app", "1", built);
    image = `${registry.host}/app@${built.manifest.digest}`;
    stack = await startStack({ initdata: initdataWith({ "policy.rego": policyFor(image) }) });
    shim = new KataShim(await stack.connect(), containerId(), stack.stateDirectory);
    await shim.createSandbox();
    await shim.startPause();
  }, 90_000);
  afterAll(async () => {
    await shim?.client.close();
    await stack?.stop();
    await registry?.[Symbol.asyncDispose]();
  }, 60_000);

  /** Creates a container with an emptyDir, as a shim does. @returns its id */
  async function create(name: Name, change: Partial<ContainerDescription> = {}): Promise<string> {
    const id = containerId();
    const emptyDir = `${stack.stateDirectory}/shared/containers/${shim.sandboxId}/rootfs/local/keys`;
    const storage = { driver: "local", source: "local", fstype: "local", mount_point: emptyDir };
    await shim.createContainer(
      {
        id,
        sandboxId: shim.sandboxId,
        kind: "container",
        image,
        args: commands[name],
        env: [path, "HOSTNAME=demo", "KUBERNETES_SERVICE_HOST=10.96.0.1"],
        mounts: [{ destination: "/keys", source: emptyDir, type: "local" }],
        annotations: { "io.kubernetes.cri.container-name": name },
        ...change,
      },
      [storage],
    );
    return id;
  }
  const denied = { code: "permission-denied" };

  test("threats 29, 30: in order it runs, and ends; out of order, twice or changed it doesn't", async () => {
    await expect(create("web")).rejects.toMatchObject(denied);
    const unlock = await create("unlock");
    await expect(create("unlock")).rejects.toMatchObject(denied);
    await shim.startContainer(unlock);
    await expect(create("web")).rejects.toMatchObject(denied);
    expect(await shim.collect(unlock, unlock)).toMatchObject({ status: 0, stdout: "unlocked\n" });
    await shim.removeContainer(unlock);
    await expect(create("web", { args: ["/bin/sh"] })).rejects.toMatchObject(denied);
    await expect(create("web", { mounts: [] })).rejects.toMatchObject(denied);
    const web = await create("web");
    await shim.startContainer(web);
    await expect(create("web")).rejects.toMatchObject(denied);
    await shim.removeContainer(web);
    // Restarted.
    await shim.startContainer(await create("web"));
    await shim.destroySandbox();
  }, 60_000);
});
