import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { connectTtrpc } from "../../guest/rpc/connect.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { createIdentities } from "../stack/identities.ts";
import { startStack, writeStackFiles } from "../stack/stack.ts";
import { initdataWith, policyWith } from "./pod-fixture.ts";

const agent = AgentService.methods;
const root = resolve(import.meta.dirname, "../..");
const launcher = join(root, "guest/cli/podkeep");
const denyContainers = initdataWith({
  "policy.rego": policyWith("").replace(
    "default CreateContainerRequest := true",
    "default CreateContainerRequest := false",
  ),
});

describe.skipIf(getuid?.() !== 0)("the whole of podkeep (needs root)", () => {
  test("threat 1: without a client certificate, or with another one, nothing is served", async () => {
    await using stack = await startStack({ initdata: denyContainers });
    const { serverAuthority, serverName } = stack.identities;
    const stranger = createIdentities().client;
    for (const tls of [
      { ca: serverAuthority, serverName },
      { ca: serverAuthority, serverName, ...stranger },
    ]) {
      const call = connectTtrpc({ host: "127.0.0.1", port: stack.port }, { tls }).then(async (client) => {
        await client.call(Health.methods.Check, {}).finally(() => client.close());
      });
      await expect(call).rejects.toMatchObject({ code: "unavailable" });
    }
  }, 60_000);

  test("threat 2: the policy decides the same with and without TLS", async () => {
    const answers: unknown[] = [];
    for (const plain of [false, true]) {
      await using stack = await startStack({ initdata: denyContainers, plain });
      const client = await stack.connect();
      const shim = new KataShim(client, "sandbox", stack.stateDirectory);
      await shim.createSandbox();
      answers.push(await shim.startPause().catch((error: unknown) => error));
      await client.close();
    }
    expect(answers[0]).toMatchObject({ code: "permission-denied" });
    expect(answers[1]).toEqual(answers[0]);
  }, 60_000);

  test("threat 7: the port opens when the hub is there, and not before", async () => {
    const files = await writeStackFiles({ initdata: denyContainers, plain: true });
    const daemons: ChildProcess[] = [];
    let log = "";
    const start = (name: string): void => {
      const daemon = spawn(launcher, [name, "--config", files.configuration], { stdio: ["ignore", "pipe", "ignore"] });
      daemon.stdout.setEncoding("utf8").on("data", (text: string) => {
        log += text;
      });
      daemons.push(daemon);
    };
    try {
      expect(spawnSync(launcher, ["provision", "--config", files.configuration]).status).toBe(0);
      start("agent");
      // All else is ready then.
      await expect.poll(() => log, { timeout: 20_000 }).toContain("OCI runtime");
      expect(await isOpen(files.port)).toBe(false);
      start("hub");
      await expect.poll(() => isOpen(files.port), { timeout: 20_000 }).toBe(true);
    } finally {
      await Promise.all(daemons.map(stop));
      removePersistentNamespace(files.networkNamespace);
      rmSync(files.directory, { recursive: true, force: true });
    }
  }, 60_000);

  test("threat 9: a denied CreateContainer leaves files and mounts as they were", async () => {
    await using stack = await startStack({ initdata: denyContainers });
    const client = await stack.connect();
    const shim = new KataShim(client, "sandbox", stack.stateDirectory);
    await shim.createSandbox();
    const before = snapshot(stack.directory);
    const container = {
      id: "c1",
      sandboxId: "sandbox",
      kind: "container",
      image: "127.0.0.1:9/none:1",
      args: ["/bin/true"],
      mounts: [{ destination: "/data", source: `${stack.stateDirectory}/shared/containers/made-by-the-host` }],
    } as const;
    await expect(shim.createContainer(container)).rejects.toMatchObject({ code: "permission-denied" });
    expect(snapshot(stack.directory)).toEqual(before);
    await client.close();
  }, 60_000);

  test("threat 35: a second CreateSandbox is refused and the first goes on", async () => {
    await using stack = await startStack({ initdata: denyContainers });
    const client = await stack.connect();
    const shim = new KataShim(client, "sandbox", stack.stateDirectory);
    await shim.createSandbox();
    await expect(client.call(agent.CreateSandbox, { sandbox_id: "other" })).rejects.toMatchObject({
      code: "already-exists",
    });
    await shim.destroySandbox();
    await client.close();
  }, 60_000);

  test("threat 127: only root opens the hub's sockets", async () => {
    await using stack = await startStack({ initdata: denyContainers });
    for (const name of ["hub/attestation-agent.sock", "hub/cdh.sock"]) {
      expect(statSync(join(stack.directory, name)).mode & 0o777).toBe(0o600);
    }
  }, 60_000);
});

test("threat 134: when the agent ends, for whatever reason, the VM ends", () => {
  const unit = readFileSync(join(root, "image/tree/usr/lib/systemd/system/podkeep-agent.service"), "utf8");
  expect(unit).toMatch(/^FailureAction=poweroff$/m);
  expect(unit).toMatch(/^Restart=no$/m);
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Every file and every mount below a directory. */
function snapshot(directory: string): { readonly files: string[]; readonly mounts: string[] } {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(directory));
  return { files, mounts };
}
