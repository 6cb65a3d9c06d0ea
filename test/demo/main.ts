/**
 * The main job from end to end: a key broker, a registry and podkeep are started; then everything happens that a Kata shim
 * does for a peer pod, over ttRPC with mutual TLS. `npm run demo` runs it; it needs root and stays on loopback.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exit, stdout } from "node:process";
import { setTimeout } from "node:timers/promises";
import { GuestError } from "../../guest/core/errors.ts";
import { digestOf } from "../../guest/initdata/digest.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { onlyInitData, startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { buildBusyboxImage } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";
import type { ContainerDescription } from "../shim/container-spec.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { leftovers } from "../stack/leftovers.ts";
import { startStack } from "../stack/stack.ts";
import { expectThat, Steps } from "./steps.ts";

const sandboxId = "5d1f0a3c8e7b4921a6c05b8f3e2d7c94";
const containerId = "b70c2e9df1a8436587d0c4e6a19f25b3";
const secret = "the demo's secret, released after attestation";
const secretPath = "default/demo/secret";
const motd = "kept by podkeep\n";

const steps = new Steps((text) => void stdout.write(text));
try {
  await runDemo();
} catch {
  // The step that failed has said so.
}
exit(steps.finish() ? 0 : 1);

async function runDemo(): Promise<void> {
  await using registry = await steps.step("registry with an image of busybox", async () => await startRegistry());
  const image = buildBusyboxImage([{ name: "etc/motd", content: motd }]);
  registry.push("demo/app", "1", image);
  const reference = `${registry.host}/demo/app@${image.manifest.digest}`;

  // The broker's policy needs the digest of the initdata (in base64, as the sample verifier claims it), and the initdata needs the broker's address.
  const allowedDigests: string[] = [];
  const kbs = await steps.step("key broker with a secret for this pod only", () =>
    startKbs({ resources: { [secretPath]: secret }, policy: (input) => onlyInitData(...allowedDigests)(input) }),
  );
  try {
    const initdata = initdataOf(kbs.url, reference, registry.host);
    allowedDigests.push(Buffer.from(digestOf("sha256", Buffer.from(initdata))).toString("base64"));
    await runPod(initdata, reference);
  } finally {
    await kbs.close();
  }
}

function initdataOf(kbsUrl: string, reference: string, registryHost: string): string {
  const policy = readFileSync(join(import.meta.dirname, "policy.rego"), "utf8").replace("@IMAGE@", reference);
  return `algorithm = "sha256"
version = "0.1.0"

[data]
"aa.toml" = '''
[token_configs.kbs]
url = "${kbsUrl}"
'''
"cdh.toml" = '''
[kbc]
name = "cc_kbc"
url = "${kbsUrl}"

[[image.registry_config.registry]]
prefix = "${registryHost}"
location = "${registryHost}"
insecure = true
'''
"policy.rego" = '''
${policy}'''
`;
}

async function runPod(initdata: string, reference: string): Promise<void> {
  await using stack = await steps.step(
    "podkeep serves on 15150's stand-in: initdata verified, policy compiled, hub ready",
    () => startStack({ initdata }),
  );
  const client = await steps.step("worker connects: ttRPC, mutual TLS", () => stack.connect());
  const shim = new KataShim(client, sandboxId, stack.stateDirectory);
  await steps.step(
    "health check",
    () => shim.check(),
    (status) => (status === 1 ? "serving" : `status ${status}`),
  );
  await steps.step("sandbox", () => shim.createSandbox());
  await steps.step("pause container", () => shim.startPause());

  const container: ContainerDescription = {
    id: containerId,
    sandboxId,
    kind: "container",
    image: reference,
    args: ["/bin/sh", "-c", `wget -q -O - http://127.0.0.1:8006/cdh/resource/${secretPath}; exec sleep 3600`],
  };
  await steps.step("pull the image, create the container", () => shim.createContainer(container));
  await steps.step("start it", () => shim.startContainer(containerId));
  await steps.step(
    "the workload reads its secret",
    () => readSecret(shim),
    (text) => JSON.stringify(text),
  );
  await steps.step(
    "exec of an allowed command",
    () => execMotd(shim, "exec-1"),
    (text) => JSON.stringify(text.trim()),
  );
  const denial = await steps.step(
    "exec of another command is denied",
    () => execDenied(shim),
    (error) => error.message,
  );
  expectThat(denial.code === "permission-denied", denial.code);
  steps.note(`in the guest's log, not told to the host:\n${denialIn(stack.output())}`);
  await steps.step("another image is denied", () => otherImageDenied(shim, container));

  await steps.step("again over gRPC: health, statistics, exec", async () => {
    const grpc = await stack.connect("grpc");
    const overGrpc = new KataShim(grpc, sandboxId, stack.stateDirectory);
    expectThat((await overGrpc.check()) === 1, "not serving");
    const { cgroup_stats } = await grpc.call(AgentService.methods.StatsContainer, { container_id: containerId });
    expectThat(cgroup_stats !== null, "no statistics");
    await execMotd(overGrpc, "exec-2");
    await grpc.close();
  });

  await steps.step("a worker that reconnects finds its sandbox again", async () => {
    await client.close();
    const again = new KataShim(await stack.connect(), sandboxId, stack.stateDirectory);
    await execMotd(again, "exec-3");
    await stopPod(again);
  });
  await steps.step(
    "podkeep ends by itself",
    () => ended(stack.process),
    (code) => `exit code ${code}`,
  );
  await steps.step("nothing is left behind", async () => {
    const found = leftovers(stack);
    expectThat(found.length === 0, found.join(", "));
  });
}

/** The workload prints its secret and goes on, so its output has no end yet. */
async function readSecret(shim: KataShim): Promise<string> {
  let text = "";
  while (text.length < secret.length) {
    const { data } = await shim.client.call(AgentService.methods.ReadStdout, { container_id: containerId, len: 32768 });
    if (data.length === 0) break;
    text += Buffer.from(data).toString();
  }
  expectThat(text === secret, JSON.stringify(text));
  return text;
}

async function execMotd(shim: KataShim, execId: string): Promise<string> {
  await shim.exec(containerId, execId, ["/bin/cat", "/etc/motd"]);
  const result = await shim.collect(containerId, execId);
  expectThat(result.status === 0 && result.stdout === motd, JSON.stringify(result));
  return result.stdout;
}

async function execDenied(shim: KataShim): Promise<GuestError> {
  return refusalOf(() => shim.exec(containerId, "exec-denied", ["/bin/sh", "-c", "cat /etc/motd"]));
}

async function otherImageDenied(shim: KataShim, container: ContainerDescription): Promise<void> {
  const other = { ...container, id: "0".repeat(32), image: container.image.replace(/@.*/, ":1") };
  const { code } = await refusalOf(() => shim.createContainer(other));
  expectThat(code === "permission-denied", code);
}

async function refusalOf(action: () => Promise<void>): Promise<GuestError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof GuestError) return error;
    throw error;
  }
  throw new Error("not as it should be: the request was allowed");
}

/** The log line of the denial, its explanation readable. */
function denialIn(output: string): string {
  const line = output.split("\n").find((candidate) => candidate.includes('"entrypoint":"ExecProcessRequest"'));
  if (line === undefined) throw new Error("not as it should be: the guest's log does not say why");
  return JSON.stringify(JSON.parse(line), null, 1).replaceAll("\\n", "\n");
}

async function stopPod(shim: KataShim): Promise<void> {
  await shim.removeContainer(containerId);
  await shim.removeContainer(sandboxId);
  await shim.destroySandbox();
  await shim.client.close();
}

async function ended(child: { readonly exitCode: number | null }): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (child.exitCode !== null) return child.exitCode;
    await setTimeout(20);
  }
  throw new Error("it still runs");
}
