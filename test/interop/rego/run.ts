/**
 * The same cases three ways: this engine, `opa eval`, and modules of `opa build -t wasm`. Any two that differ without a
 * known reason fail the run. Needs Go, once, to build OPA; without it the run is skipped.
 *
 *   node test/interop/rego/run.ts [--seed N] [--cases N] [--all] [FILE.jsonl...]
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { answerCase, type CaseAnswer, parseCase, sameSolutions } from "../../../guest/rego/conformance.ts";
import { type RegoObject, toJsonText } from "../../../guest/rego/index.ts";
import { knownDifference, type Pair } from "./differences.ts";
import { buildOpa, evaluateWithOpa, writeCase } from "./opa-program.ts";
import { ownCases } from "./own-cases.ts";
import { evaluateWithWasm } from "./wasm-runner.ts";

const sharedCases = join(import.meta.dirname, "../../../../shared/rego-cases");

/** Cases asked at a time; each is a process or two. */
const concurrency = 2;

/** Built-ins whose answer is another one each time, or another one on each machine. */
const varying = /\b(?:time\.now_ns|rand\.intn|uuid\.rfc4122|http\.send|net\.lookup_ip_addr|opa\.runtime|test\.sleep)\b/;

interface Tally {
  same: number;
  explained: number;
  unexplained: number;
}

/** An engine's answer, or why the case is nothing for it. */
type Outcome = CaseAnswer | string;

const options = {
  seed: { type: "string", default: "1" },
  cases: { type: "string", default: "300" },
  all: { type: "boolean", default: false },
} as const;

await main();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const missing = buildOpa();
  if (missing !== undefined) {
    say(`rego interop: SKIPPED: ${missing}`);
    return;
  }
  const own = positionals.length === 0 ? ownCases() : [];
  const cases = readCases(positionals).filter((line) => !varying.test(line));
  const chosen = values.all ? cases : sample(cases, Number(values.cases), Number(values.seed));
  const seed = values.all ? "" : `, seed ${values.seed}`;
  say(`rego interop: ${own.length} own cases, ${chosen.length} of ${cases.length} others${seed}`);
  const tallies: Record<Pair, Tally> = {
    "podkeep and opa": { same: 0, explained: 0, unexplained: 0 },
    "podkeep and opa-wasm": { same: 0, explained: 0, unexplained: 0 },
    "opa and opa-wasm": { same: 0, explained: 0, unexplained: 0 },
  };
  const folder = mkdtempSync(join(tmpdir(), "podkeep-rego-"));
  try {
    const queue = [...own, ...chosen].entries();
    const work = async (): Promise<void> => {
      for (const [index, line] of queue) await runCase(parseCase(line), join(folder, String(index)), tallies);
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  } finally {
    rmSync(folder, { recursive: true });
  }
  report(tallies);
}

function readCases(files: readonly string[]): string[] {
  const shared = existsSync(sharedCases) ? readdirSync(sharedCases).filter((name) => name.endsWith(".jsonl")) : [];
  if (files.length === 0 && shared.length === 0) say(`rego interop: ${sharedCases} is not there: own cases only`);
  const chosen = files.length > 0 ? files : shared.map((name) => join(sharedCases, name));
  return chosen.flatMap((file) => readFileSync(file, "utf8").split("\n")).filter((line) => line.trim() !== "");
}

/** So many of the lines, the same ones for the same seed. */
function sample(lines: readonly string[], count: number, seed: number): string[] {
  let state = seed >>> 0;
  const ranked = lines.map((line) => {
    // A linear congruential generator: its quality is of no importance, its repeatability is.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { line, rank: state };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ line }) => line);
}

async function runCase(fields: RegoObject, folder: string, tallies: Record<Pair, Tally>): Promise<void> {
  mkdirSync(folder);
  const files = writeCase(fields, folder);
  const takesTerm = fields.has("input_term");
  const podkeep = await answerCase(fields, BigInt(Date.now()) * 1_000_000n);
  const opa: Outcome = takesTerm ? "the input is no JSON" : await evaluateWithOpa(fields, files);
  const wasm: Outcome = takesTerm ? "the input is no JSON" : await evaluateWithWasm(fields, files);
  rmSync(folder, { recursive: true });
  compare("podkeep and opa", fields, podkeep, opa, tallies);
  compare("podkeep and opa-wasm", fields, podkeep, wasm, tallies);
  compare("opa and opa-wasm", fields, opa, wasm, tallies);
}

/** Modules give the members of sets in any order, so that what stands in arrays is compared without its order there. */
function compare(pair: Pair, fields: RegoObject, a: Outcome, b: Outcome, tallies: Record<Pair, Tally>): void {
  if (typeof a === "string" || typeof b === "string") return;
  const isSame =
    a.kind === "error" || b.kind === "error"
      ? a.kind === b.kind
      : sameSolutions(a.solutions, b.solutions, fields.get("sort") === true || pair !== "podkeep and opa");
  const id = String(fields.get("id"));
  if (isSame) {
    tallies[pair].same += 1;
  } else if (knownDifference(pair, id) !== undefined) {
    tallies[pair].explained += 1;
  } else {
    tallies[pair].unexplained += 1;
    say(`DIFFERENT ${pair}: ${id}\n  ${shown(a)}\n  ${shown(b)}`);
  }
}

function shown(answer: CaseAnswer): string {
  const text = answer.kind === "error" ? `error: ${answer.message}` : toJsonText(answer.solutions);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function report(tallies: Record<Pair, Tally>): void {
  let passed = 0;
  let failed = 0;
  for (const [pair, { same, explained, unexplained }] of Object.entries(tallies)) {
    say(`${pair}: ${same} the same, ${explained} different for known reasons, ${unexplained} different`);
    passed += same + explained;
    failed += unexplained;
  }
  say(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
