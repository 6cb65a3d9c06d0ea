import { GuestError } from "../../guest/core/errors.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import type { ContainerDescription } from "../shim/container-spec.ts";
import { KataShim } from "../shim/kata-shim.ts";
import { type DemoPod, demoSecret, motd } from "./pod-services.ts";
import { expectThat, type Steps } from "./steps.ts";

const sandboxId = "5d1f0a3c8e7b4921a6c05b8f3e2d7c94";
const containerId = "b70c2e9df1a8436587d0c4e6a19f25b3";

/** A podkeep that serves the demo's initdata, in a VM or on this machine. */
export interface PodHost {
  readonly stateDirectory: string;
  /** A connection as the worker makes it. */
  connect(protocol?: "ttrpc" | "grpc"): Promise<RpcClient>;
  /** podkeep's log so far; undefined where the worker can't read it. */
  log(): string | undefined;
}

/** Everything that a Kata shim does for a pod, from its first health check until the sandbox is destroyed. */
export async function runPodSteps(steps: Steps, host: PodHost, pod: DemoPod): Promise<void> {
  const client = await steps.step("worker connects: ttRPC, mutual TLS", () => host.connect());
  const shim = new KataShim(client, sandboxId, host.stateDirectory);
  await startPod(steps, shim, pod);
  await judgeRequests(steps, shim, host, pod);

  await steps.step("again over gRPC: health, statistics, exec", async () => {
    const grpc = await host.connect("grpc");
    const overGrpc = new KataShim(grpc, sandboxId, host.stateDirectory);
    expectThat((await overGrpc.check()) === 1, "not serving");
    const { cgroup_stats } = await grpc.call(AgentService.methods.StatsContainer, { container_id: containerId });
    expectThat(cgroup_stats !== null, "no statistics");
    await execMotd(overGrpc, "exec-2");
    await grpc.close();
  });

  await steps.step("a worker that reconnects finds its sandbox again", async () => {
    await client.close();
    const again = new KataShim(await host.connect(), sandboxId, host.stateDirectory);
    await execMotd(again, "exec-3");
    await stopPod(again);
  });
}

async function startPod(steps: Steps, shim: KataShim, { image }: DemoPod): Promise<void> {
  await steps.step(
    "health check",
    () => shim.check(),
    (status) => (status === 1 ? "serving" : `status ${status}`),
  );
  await steps.step("sandbox", () => shim.createSandbox());
  await steps.step("pause container", () => shim.startPause());
  await steps.step("pull the image, create the container", () => shim.createContainer(containerOf(image)));
  await steps.step("start it", () => shim.startContainer(containerId));
  await steps.step(
    "the workload reads its secret",
    () => readSecret(shim),
    (text) => JSON.stringify(text),
  );
}

function containerOf(image: string): ContainerDescription {
  const command = `wget -q -O - http://127.0.0.1:8006/cdh/resource/${demoSecret.path}; exec sleep 3600`;
  return { id: containerId, sandboxId, kind: "container", image, args: ["/bin/sh", "-c", command] };
}

async function judgeRequests(steps: Steps, shim: KataShim, host: PodHost, { image }: DemoPod): Promise<void> {
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
  const log = host.log();
  if (log !== undefined) steps.note(`in the guest's log, not told to the host:\n${denialIn(log)}`);
  await steps.step("another image is denied", () => otherImageDenied(shim, containerOf(image)));
}

/** The workload prints its secret and goes on, so its output has no end yet. */
async function readSecret(shim: KataShim): Promise<string> {
  let text = "";
  while (text.length < demoSecret.text.length) {
    const { data } = await shim.client.call(AgentService.methods.ReadStdout, { container_id: containerId, len: 32768 });
    if (data.length === 0) break;
    text += Buffer.from(data).toString();
  }
  expectThat(text === demoSecret.text, JSON.stringify(text));
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
  return JSON.stringify(JSON.parse(line.slice(line.indexOf("{"))), null, 1).replaceAll("\\n", "\n");
}

async function stopPod(shim: KataShim): Promise<void> {
  await shim.removeContainer(containerId);
  await shim.removeContainer(sandboxId);
  await shim.destroySandbox();
  await shim.client.close();
}
