/**
 * Health.Check over each protocol against a server in another process: the time of one call at a time, and how many calls a
 * second 64 callers get through one connection. Prints a line a figure, or with --json one JSON object a line: name, value,
 * unit, runs.
 *
 *     node test/bench/rpc/calls.ts [--json] [--runs N]
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { connectGrpc, connectTtrpc } from "../../../guest/rpc/connect.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import type { RpcClient } from "../../../guest/rpc/method.ts";
import type { BenchServer } from "./server-process.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, runs: { type: "string", default: "5000" } } });
const runs = Number(values.runs);
const callers = 64;

const child = fork(join(import.meta.dirname, "server-process.ts"));
// The child's first message is this one.
const [{ port, identities }] = (await once(child, "message")) as [BenchServer];
const tls = { ca: identities.serverAuthority, ...identities.client, serverName: identities.serverName };
const address = { host: "127.0.0.1", port };

try {
  await measure("ttRPC", await connectTtrpc(address));
  await measure("ttRPC with mutual TLS", await connectTtrpc(address, { tls }));
  await measure("gRPC", await connectGrpc(address));
  await measure("gRPC with mutual TLS", await connectGrpc(address, { tls }));
} finally {
  child.kill();
}

async function measure(name: string, client: RpcClient): Promise<void> {
  const check = () => client.call(Health.methods.Check, {}, { timeoutMs: 30_000 });
  for (let run = 0; run < 2000; run++) await check();
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await check();
    times.push((performance.now() - start) * 1000);
  }
  times.sort((a, b) => a - b);
  report(`${name}: Health.Check p50`, Math.round(quantile(times, 0.5)), "µs", runs);
  report(`${name}: Health.Check p99`, Math.round(quantile(times, 0.99)), "µs", runs);
  const perCaller = Math.ceil((2 * runs) / callers);
  const start = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let run = 0; run < perCaller; run++) await check();
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const count = callers * perCaller;
  report(`${name}: Health.Check, ${callers} at once`, Math.round(count / seconds), "calls/s", count);
  await client.close();
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}

function report(name: string, value: number, unit: string, count: number): void {
  const line = values.json
    ? JSON.stringify({ name, value, unit, runs: count })
    : `${name}: ${value} ${unit} (${count})`;
  process.stdout.write(`${line}\n`);
}
