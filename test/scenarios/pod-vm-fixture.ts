import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Health } from "../../guest/rpc/messages/health.ts";
import { removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { type ProgramResult, runProgram } from "../../guest/sys/program.ts";
import { sampleConfiguration } from "../network/pod-network-samples.ts";
import { connectWorker, type Stack, type StackOptions, writeStackFiles } from "../stack/stack.ts";
import { dataHubConfig, initdataWith, policyWith } from "./pod-fixture.ts";
import { stopProcess, type WorkerAndVm } from "./tunnel-fixture.ts";

const launcher = resolve(import.meta.dirname, "../../guest/cli/podkeep");
const agentPort = 15150;
const startTimeoutMs = 60_000;

/** podkeep in a pod VM's network namespace: the processes that the image's units start, on the ports that they have there. */
export interface PodVm extends Stack {
  readonly agent: ChildProcess;
  readonly hub: ChildProcess;
  /** Starts the agent anew, with everything else as it is, and waits until it answers. */
  restartAgent(): Promise<ChildProcess>;
  /** Starts the hub anew. */
  restartHub(): ChildProcess;
}

/** Programs that ended before they could serve, with all they printed. */
export interface FailedStart {
  readonly exitCode: number | null;
  /** What the console of a VM shows. */
  readonly console: string;
  /** What the journal of a VM gets. */
  readonly log: string;
}

/** A pod's part of apf.json. @param changes other members than those of the sample, or others of the same name */
export function apfWithNetwork(changes: Readonly<Record<string, unknown>>): NonNullable<StackOptions["apf"]> {
  return { "pod-network": { ...sampleConfiguration, ...changes } };
}

/** Initdata of a pod whose images come from a registry on the worker's node, by the VM's own NIC. */
export function initdataFor(registryHost: string): string {
  const registry = `[[image.registry_config.registry]]
prefix = "${registryHost}"
location = "${registryHost}"
insecure = true
`;
  return initdataWith({
    "cdh.toml": `${dataHubConfig("https://kbs.invalid")}\n${registry}`,
    "policy.rego": policyWith(`
      default ReadStreamRequest := true
      default ExecProcessRequest := false
    `),
  });
}

/** Provisions, then starts hub and agent, and waits until the agent answers the worker through the cable. */
export async function startPodVm(machines: WorkerAndVm, options: StackOptions): Promise<PodVm> {
  const files = await writeStackFiles({ ...options, listen: `0.0.0.0:${agentPort}` });
  const socket = await machines.forward(agentPort);
  let output = "";
  const start = (command: string): ChildProcess => {
    const child = machines.spawn(machines.vm, launcher, [command, "--config", files.configuration]);
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    return child;
  };
  const connect: Stack["connect"] = (protocol) => connectWorker({ path: socket }, files.identities, protocol);
  const started: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((child) => stopProcess(child, "SIGTERM")));
    removePersistentNamespace(files.networkNamespace);
    rmSync(files.directory, { recursive: true, force: true });
  };
  const startHub = (): ChildProcess => {
    const child = start("hub");
    started.push(child);
    return child;
  };
  const startAgent = async (): Promise<ChildProcess> => {
    const child = start("agent");
    started.push(child);
    await untilServing(child, connect, () => output);
    return child;
  };
  try {
    const [exitCode] = await once(start("provision"), "close");
    if (exitCode !== 0) throw new Error(`podkeep provision ended with ${exitCode}:\n${output}`);
    const hub = startHub();
    const agent = await startAgent();
    const parts = { ...files, port: agentPort, process: agent, agent, hub };
    const again = { restartAgent: startAgent, restartHub: startHub };
    return { ...parts, ...again, output: () => output, connect, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Starts with something that can't be used.
 *
 * @param culprit what ends of it; what comes before it ends well. The agent tells of it for a second
 */
export async function failToStart(
  { vm }: WorkerAndVm,
  options: StackOptions,
  culprit: "provision" | "agent" = "provision",
): Promise<FailedStart> {
  const files = await writeStackFiles(options);
  const run = (command: string): Promise<ProgramResult> =>
    runProgram(launcher, [command, "--config", files.configuration], { networkNamespace: vm });
  try {
    if (culprit === "agent") {
      await run("provision");
      appendFileSync(files.configuration, "refusal_seconds = 1\n");
    }
    const { exitCode, stdout, stderr } = await run(culprit);
    return { exitCode, console: stderr.toString(), log: stdout.toString() };
  } finally {
    removePersistentNamespace(files.networkNamespace);
    rmSync(files.directory, { recursive: true, force: true });
  }
}

async function untilServing(child: ChildProcess, connect: Stack["connect"], output: () => string): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      const client = await connect();
      await client.call(Health.methods.Check, {}, { timeoutMs: 5000 }).finally(() => client.close());
      return;
    } catch (error) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`podkeep agent does not answer:\n${output()}`, { cause: error });
      await setTimeout(50);
    }
  }
}
