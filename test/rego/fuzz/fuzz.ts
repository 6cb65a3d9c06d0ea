/**
 * Feeds the engine damaged and random text for a while: parser, patterns, evaluations. Any exception but the engine's
 * own, an evaluation that goes on beyond its budget, or memory that keeps growing ends the run with exit code 1 and the
 * case that did it.
 *
 *   node --expose-gc test/rego/fuzz/fuzz.ts [seconds] [seed]
 */
import process from "node:process";
import * as fc from "fast-check";
import {
  compilePolicy,
  JsonError,
  type JsonInput,
  parseJson,
  RegoEvaluationError,
  RegoLimitError,
  RegoLoadError,
} from "../../../guest/rego/index.ts";
import { compileRegex, RegexLimitError, RegexSyntaxError } from "../../../guest/rego/regex/index.ts";
import { input, moduleText, rule } from "./policy-generator.ts";

const seconds = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? 1);
/** Longest that one case may take; the budgets below keep every honest one far below it, loaded machine or not. */
const slowestMs = 5_000;
const limits = { maxSteps: 200_000, maxOutput: 200_000 };

/** Pieces of policy text, to be put together without sense. */
const fragments = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(...'[ ] { } ( ) | & := = == != < . , ; : + - * / % \n \t # ` " $" \\'.split(" ")),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "package p",
      "import rego.v1",
      "default",
      "if",
      "else",
      "every",
      "some",
      "in",
      "not",
      "with",
      "as",
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "x",
      "y",
      "input",
      "data",
      "_",
      "contains",
      "count",
      "set()",
      "1e5",
      "-1",
      '"s"',
      "walk",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
);
const nonsense = fc.array(fragments, { maxLength: 60 }).map((parts) => `package t\n${parts.join(" ")}`);

const damaged = fc
  .tuple(rule, fc.nat(), fc.nat({ max: 30 }), fragments)
  .map(([{ head, bodies }, at, length, piece]) => {
    const text = moduleText(head, bodies);
    const start = at % text.length;
    return `${text.slice(0, start)}${piece}${text.slice(start + length)}`;
  });

const patternPieces = fc.constantFrom(
  ..."a b [a-z] [^x] . * + ? {2,3} {1000} ( ) (?: (?i) (?P<n> | ^ $ \\b \\B \\d \\W \\pL \\Q \\E [[:alpha:]] \\x{10FFFF} \\".split(
    " ",
  ),
);
const pattern = fc.array(patternPieces, { maxLength: 20 }).map((parts) => parts.join(""));
const subject = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.tuple(fc.constantFrom("a", "ab", "aab", "\n"), fc.nat({ max: 5000 })).map(([unit, times]) => unit.repeat(times)),
);

const evaluate = (text: string, document: JsonInput): void => {
  try {
    const policy = compilePolicy([{ name: "fuzz", text }], { limits });
    const request = { path: "data.t.p", input: document };
    policy.explain(request);
    policy.evaluate(request);
    policy.prints(request);
  } catch (error) {
    const isOwn =
      error instanceof RegoLoadError || error instanceof RegoEvaluationError || error instanceof RegoLimitError;
    if (!isOwn) {
      throw error;
    }
  }
};

const match = (text: string, against: string): void => {
  try {
    const regex = compileRegex(text);
    regex.test(against);
    regex.findAll(against, 3);
  } catch (error) {
    if (!(error instanceof RegexSyntaxError) && !(error instanceof RegexLimitError)) {
      throw error;
    }
  }
};

const readJson = (text: string): void => {
  try {
    parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) {
      throw error;
    }
  }
};

/** Each case in turn, whatever it is made of. */
const cases: readonly fc.Arbitrary<{ readonly name: string; readonly shown: string; readonly run: () => void }>[] = [
  nonsense.map((text) => ({ name: "nonsense", shown: text, run: () => evaluate(text, { xs: [1] }) })),
  fc
    .tuple(damaged, input)
    .map(([text, document]) => ({ name: "damaged", shown: text, run: () => evaluate(text, document) })),
  fc.tuple(rule, input).map(([{ head, bodies }, document]) => {
    const text = moduleText(head, bodies);
    return { name: "valid", shown: text, run: () => evaluate(text, document) };
  }),
  fc
    .tuple(pattern, subject)
    .map(([text, against]) => ({ name: "pattern", shown: text, run: () => match(text, against) })),
  fc.string({ maxLength: 100 }).map((text) => ({ name: "json", shown: text, run: () => readJson(text) })),
];

function runCase(one: { readonly name: string; readonly shown: string; readonly run: () => void }): boolean {
  const started = performance.now();
  try {
    one.run();
  } catch (error) {
    process.stdout.write(`${one.name}: ${error instanceof Error ? error.stack : String(error)}\n${one.shown}\n`);
    return false;
  }
  const took = performance.now() - started;
  if (took > slowestMs) {
    process.stdout.write(`${one.name}: took ${Math.round(took)} ms\n${one.shown}\n`);
    return false;
  }
  return true;
}

const deadline = performance.now() + seconds * 1000;
let count = 0;
let heapEarly = 0;
for (let round = 0; performance.now() < deadline; round += 1) {
  for (const [kind, arbitrary] of cases.entries()) {
    for (const one of fc.sample(arbitrary, { numRuns: 20, seed: seed * 1_000_003 + round * 16 + kind })) {
      count += 1;
      if (!runCase(one)) {
        process.stdout.write(`seed ${seed}, case ${count}\n`);
        process.exit(1);
      }
    }
  }
  if (round === 20) {
    globalThis.gc?.();
    heapEarly = process.memoryUsage().heapUsed;
  }
}
globalThis.gc?.();
const growth = heapEarly === 0 ? 0 : process.memoryUsage().heapUsed - heapEarly;
const isMeasured = globalThis.gc !== undefined && heapEarly !== 0;
const heap = isMeasured
  ? `heap grew by ${Math.round(growth / 1024)} KiB`
  : `heap NOT CHECKED: ${globalThis.gc === undefined ? "it takes node --expose-gc" : "the run was too short"}`;
process.stdout.write(`${count} cases in ${seconds} s, seed ${seed}, ${heap}\n`);
process.exitCode = isMeasured && growth > 32 * 1024 * 1024 ? 1 : 0;
