/**
 * The whole stack from its bundles, as the image runs it: start, memory, calls through TLS and policy, exec, output. Prints a
 * line a figure, or with --json one JSON object a line: name, value, unit, runs. Needs root.
 *
 *     node --experimental-ffi test/bench/stack/stack.ts [--json] [--runs N]
 */
import { readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AgentService } from "../../../guest/rpc/messages/agent.ts";
import { buildBusyboxImage } from "../../registry/image-builder.ts";
import { startRegistry } from "../../registry/registry.ts";
import { containerId, initdataWith } from "../../scenarios/pod-fixture.ts";
import { KataShim } from "../../shim/kata-shim.ts";
import { buildBundles, startDaemons } from "./daemons.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, runs: { type: "string", default: "5" } } });
const runs = Number(values.runs);
const policy = readFileSync(new URL("../../../policy/exec-allow-list.rego", import.meta.url), "utf8").replace(
  '["cat", "/etc/os-release"]',
  '["/bin/true"]',
);
const initdata = initdataWith({ "policy.rego": policy });
const agent = AgentService.methods;
const outputBytes = 256 * 1024 * 1024;
const containers = 20;

const bundles = buildBundles();
try {
  await measureStart();
  await measurePod();
} finally {
  rmSync(bundles, { recursive: true });
}

async function measureStart(): Promise<void> {
  const times: number[] = [];
  const processorTimes: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using daemons = await startDaemons(bundles, initdata);
    times.push(daemons.startMs);
    processorTimes.push(daemons.startProcessorMs);
  }
  const bare: number[] = [];
  for (let run = 0; run < runs; run++) bare.push(await timeBareNode());
  report("stack: start of both daemons to the first answer", median(times), "ms", runs);
  report("stack: processor time of provisioning and that start", median(processorTimes), "ms", runs);
  report("stack: start, as a multiple of node -e 0", median(times) / median(bare), "x", runs);
}

async function timeBareNode(): Promise<number> {
  const { spawnSync } = await import("node:child_process");
  const start = performance.now();
  spawnSync(process.execPath, ["-e", "0"]);
  return performance.now() - start;
}

async function measurePod(): Promise<void> {
  await using registry = await startRegistry();
  const image = buildBusyboxImage();
  registry.push("app", "1", image);
  await using daemons = await startDaemons(bundles, initdata);
  await setTimeout(500); // let both come to rest
  report("stack: memory of both daemons, idle (PSS)", daemons.memoryBytes() / 1e6, "MB", 1);

  const client = await daemons.connect();
  const shim = new KataShim(client, containerId(), daemons.stateDirectory);
  await shim.createSandbox();
  await shim.startPause();
  const base = {
    sandboxId: shim.sandboxId,
    kind: "container",
    image: `${registry.host}/app@${image.manifest.digest}`,
  } as const;
  const start = async (args: readonly string[]): Promise<string> => {
    const id = containerId();
    await shim.createContainer({ ...base, id, args });
    await shim.startContainer(id);
    return id;
  };

  const first = await start(["/bin/sleep", "600"]);
  await measureCalls(shim, first);
  await measureExec(shim, first);
  await measureOutput(shim, await start(["/bin/dd", "if=/dev/zero", "bs=1M", `count=${outputBytes / 1024 / 1024}`]));
  for (let count = 1; count < containers; count++) await start(["/bin/sleep", "600"]);
  report(`stack: memory of both daemons, ${containers} containers (PSS)`, daemons.memoryBytes() / 1e6, "MB", 1);
  await shim.destroySandbox();
  await client.close();
}

async function measureCalls(shim: KataShim, id: string): Promise<void> {
  const windowChanged = 28; // ignored by default
  const samples: number[] = [];
  for (let run = 0; run < 5000; run++) {
    const start = performance.now();
    await shim.client.call(agent.SignalProcess, { container_id: id, exec_id: id, signal: windowChanged });
    samples.push((performance.now() - start) * 1000);
  }
  report("stack: SignalProcess over TLS under a policy, p50", quantile(samples, 0.5), "µs", samples.length);
  report("stack: SignalProcess over TLS under a policy, p99", quantile(samples, 0.99), "µs", samples.length);
}

async function measureExec(shim: KataShim, id: string): Promise<void> {
  const samples: number[] = [];
  for (let run = 0; run < runs * 4; run++) {
    const execId = `true-${run}`;
    const start = performance.now();
    await shim.exec(id, execId, ["/bin/true"]);
    await shim.wait(id, execId);
    samples.push(performance.now() - start);
  }
  report("stack: exec of true, ExecProcess to WaitProcess, p50", quantile(samples, 0.5), "ms", samples.length);
}

async function measureOutput(shim: KataShim, id: string): Promise<void> {
  const start = performance.now();
  let received = 0;
  for (;;) {
    const { data } = await shim.client.call(agent.ReadStdout, { container_id: id, exec_id: id, len: 32768 });
    if (data.length === 0) break;
    received += data.length;
  }
  if (received !== outputBytes) throw new Error(`${received} bytes of output, not ${outputBytes}`);
  report(
    "stack: ReadStdout of 256 MB, reads of 32 KiB over TLS",
    received / 1e6 / ((performance.now() - start) / 1000),
    "MB/s",
    1,
  );
}

function median(samples: number[]): number {
  return quantile(samples, 0.5);
}

function quantile(samples: number[], share: number): number {
  samples.sort((a, b) => a - b);
  return samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? Number.NaN;
}

function report(name: string, value: number, unit: string, count: number): void {
  const figure = { name, value: Number(value.toPrecision(4)), unit, runs: count };
  process.stdout.write(
    values.json ? `${JSON.stringify(figure)}\n` : `${name}: ${figure.value} ${unit} (${count} runs)\n`,
  );
}
