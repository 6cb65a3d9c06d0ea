/**
 * All benchmarks, one after another, each in a process of its own. `npm run bench` prints a table, `npm run bench -- --json` one
 * JSON object a line: name, value, unit, runs. `npm run bench -- NAME…` runs those whose path contains a name.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** In the order of the table in docs/PERFORMANCE.md. */
const scripts = [
  "rpc/calls.ts",
  "stack/stack.ts",
  "agent/processes.ts",
  "policy/decisions.ts",
  "rego/policy.ts",
  "kbs/resources.ts",
  "oci/pull.ts",
];

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly runs: number;
}

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const chosen = scripts.filter(
  (script) => positionals.length === 0 || positionals.some((name) => script.includes(name)),
);
for (const script of chosen) {
  const path = join(import.meta.dirname, script);
  if (!existsSync(path)) throw new Error(`there is no benchmark ${script}`);
  await run(path);
}

async function run(path: string): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, path, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    // The scripts write one figure a line.
    const figure = JSON.parse(line) as Figure;
    process.stdout.write(values.json ? `${line}\n` : `${row(figure)}\n`);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`${path} ended with ${code}`);
}

function row({ name, value, unit, runs }: Figure): string {
  return `${name.padEnd(70)} ${String(value).padStart(10)} ${unit.padEnd(8)} ${String(runs).padStart(7)}`;
}
