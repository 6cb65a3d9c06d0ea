import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { Health } from "../../guest/rpc/messages/health.ts";
import { removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { connectWorker } from "../compose/running-command.ts";
import { writeStackFiles } from "../stack/stack.ts";
import { initdataWith } from "./pod-fixture.ts";

const launcher = resolve(import.meta.dirname, "../../guest/cli/podkeep");
if (getuid?.() !== 0) console.warn("test/scenarios: failed starts of the agent need root");

/** A daemon of podkeep as a process of its own. */
interface Daemon {
  stderr(): string;
  /** @returns the exit code */
  stop(): Promise<number | null>;
}

/** A pod VM's files, provisioned; daemons are started one by one. */
async function provisioned(initdata: string, agentSettings: string) {
  const files = await writeStackFiles({ initdata });
  appendFileSync(files.configuration, agentSettings);
  const { status, stderr } = spawnSync(launcher, ["provision", "--config", files.configuration], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const daemons: Daemon[] = [];
  const start = (name: string): Daemon => {
    const daemon = daemonOf(spawn(launcher, [name, "--config", files.configuration]));
    daemons.push(daemon);
    return daemon;
  };
  const clean = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    removePersistentNamespace(files.networkNamespace);
    rmSync(files.directory, { recursive: true, force: true });
  };
  return { files, start, hubFailure: join(files.directory, "podkeep/hub-failure.json"), [Symbol.asyncDispose]: clean };
}

function daemonOf(child: ChildProcess): Daemon {
  let stderr = "";
  child.stdout?.resume();
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = once(child, "close");
  const stop = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    await closed;
    return child.exitCode;
  };
  return { stderr: () => stderr, stop };
}

describe.skipIf(getuid?.() !== 0)("a start that fails", () => {
  test("A12: the hub's reason gets to the worker by way of the agent, at once", { timeout: 60_000 }, async () => {
    const initdata = initdataWith({ "cdh.toml": "[kbc]\nname = 5\n" });
    await using vm = await provisioned(initdata, "refusal_seconds = 600\n");
    const agent = vm.start("agent");
    const hub = vm.start("hub");
    const client = await connectWorker(vm.files.port, vm.files.identities);
    const answer: unknown = await client.call(Health.methods.Check, {}).catch((error: unknown) => error);
    const hubLine = hub.stderr().trim();
    expect(hubLine).toMatch(/^podkeep hub: cdh\.toml: .*kbc/);
    const line = `podkeep agent: the hub does not start: ${hubLine}`;
    expect(answer).toMatchObject({ code: "failed-precondition", message: line });
    expect(agent.stderr()).toBe(`${line}\n`);
    await client.close();
    expect(await agent.stop()).toBe(1);
  });

  test("A12: a policy that does not load", { timeout: 60_000 }, async () => {
    const initdata = initdataWith({ "policy.rego": "package agent_policy\nallow if {" });
    await using vm = await provisioned(initdata, "refusal_seconds = 600\n");
    const agent = vm.start("agent");
    vm.start("hub");
    const client = await connectWorker(vm.files.port, vm.files.identities, "grpc");
    const reason = /^podkeep agent: the policy does not load: agent_policy:2:11: rego_parse_error: [^\n]*$/;
    await expect(client.call(Health.methods.Check, {})).rejects.toMatchObject({
      message: expect.stringMatching(reason),
    });
    expect(agent.stderr()).toContain("the policy does not load:\nagent_policy:2:11");
    await client.close();
  });
});

test.skipIf(getuid?.() !== 0)("A12: a hub that serves takes back what it has said", { timeout: 60_000 }, async () => {
  await using vm = await provisioned(initdataWith({}), "");
  mkdirSync(join(vm.files.directory, "podkeep"));
  writeFileSync(vm.hubFailure, '{"line":"podkeep hub: no network yet","isFinal":false}');
  vm.start("hub");
  await expect.poll(() => existsSync(vm.hubFailure), { timeout: 20_000 }).toBe(false);
});
