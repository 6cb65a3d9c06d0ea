/** Conformance cases: one JSON object a line, as the suites of OPA and others are published for this project. */
import { loadBuiltinsFor } from "./builtins/on-demand.ts";
import { RegoEvaluationError, RegoLimitError, RegoLoadError } from "./errors.ts";
import type { CompileOptions } from "./index.ts";
import { parseJson, toJsonText } from "./json.ts";
import { compilePolicy } from "./policy.ts";
import { canonicalText, equal, isArray, RegoObject, RegoSet, type Value } from "./value.ts";

/** How one case went. */
export interface CaseResult {
  readonly id: string;
  /** must, should or may. */
  readonly tier: string;
  readonly passed: boolean;
  /** What was wanted and what came, of a case that did not pass. */
  readonly reason: string;
}

/** What an engine says to a case: its solutions in JSON's values, or an error. */
export type CaseAnswer =
  | { readonly kind: "solutions"; readonly solutions: readonly Value[] }
  | { readonly kind: "error"; readonly message: string };

/**
 * Reads one case.
 *
 * @param line the case's JSON text; numbers in it keep their exact value
 * @throws JsonError when the line is not JSON, TypeError when it is no case
 */
export function parseCase(line: string): RegoObject {
  const fields = parseJson(line);
  if (!(fields instanceof RegoObject)) {
    throw new TypeError("a case is a JSON object");
  }
  for (const name of ["id", "tier", "query"]) {
    textField(fields, name);
  }
  return fields;
}

/**
 * Runs one case and compares with what it wants.
 *
 * @param nowNs the time that the case sees
 * @throws what parseCase throws
 */
export async function runCase(line: string, nowNs: bigint, options: CompileOptions = {}): Promise<CaseResult> {
  const fields = parseCase(line);
  const place = { id: textField(fields, "id"), tier: textField(fields, "tier") };
  try {
    const got = await answerCase(fields, nowNs, options);
    const reason = disagreement(fields, got);
    return { ...place, passed: reason === "", reason };
  } catch (error) {
    return { ...place, passed: false, reason: `the engine failed: ${String(error)}` };
  }
}

/** What was wanted and what came; "" if it is the same. */
function disagreement(fields: RegoObject, got: CaseAnswer): string {
  const wantsError = fields.has("want_error");
  if (got.kind === "error") {
    return wantsError ? "" : `wanted ${shown(fields, "want")}, got ${got.message}`;
  }
  if (wantsError) {
    return `wanted the error ${shown(fields, "want_error")}, got ${listed(got.solutions)}`;
  }
  const want = fields.get("want") ?? [];
  const isSame = isArray(want) && sameSolutions(got.solutions, want, fields.get("sort") === true);
  return isSame ? "" : `wanted ${shown(fields, "want")}, got ${listed(got.solutions)}`;
}

/** The engine's answer to a case. Any exception but those that the engine promises passes through. */
export async function answerCase(fields: RegoObject, nowNs: bigint, options: CompileOptions = {}): Promise<CaseAnswer> {
  const builtins = await loadBuiltinsFor([{ text: toJsonText(fields) }]);
  try {
    return { kind: "solutions", solutions: solve(fields, nowNs, { builtins, ...options }) };
  } catch (error) {
    const isPromised =
      error instanceof RegoLoadError || error instanceof RegoEvaluationError || error instanceof RegoLimitError;
    if (!isPromised) {
      throw error;
    }
    return { kind: "error", message: error.message };
  }
}

/** The texts of a case's modules. */
export function modulesOf(fields: RegoObject): readonly string[] {
  const modules = fields.get("modules") ?? [];
  return isArray(modules) ? modules.filter((text) => typeof text === "string") : [];
}

function solve(fields: RegoObject, nowNs: bigint, options: CompileOptions): Value[] {
  const policy = compilePolicy(
    modulesOf(fields).map((text, index) => ({ name: `module-${index}`, text })),
    {
      ...options,
      version: fields.get("rego_version") === "v0" ? "v0" : "v1",
      allowNondeterministic: true,
      allowBadPatterns: true,
    },
  );
  const inputTerm = fields.get("input_term");
  const inputAnswers = typeof inputTerm === "string" ? policy.query(`input_term = ${inputTerm}`, { nowNs }) : [];
  const input = inputAnswers[0]?.get("input_term") ?? fields.get("input");
  const data = fields.get("data");
  const solutions = policy.query(textField(fields, "query"), {
    nowNs,
    strict: fields.get("strict") === true,
    ...(input === undefined ? {} : { input }),
    ...(data === undefined ? {} : { data }),
  });
  return solutions.map((solution) => {
    const columns = [...solution].filter(([name]) => !name.startsWith("_"));
    return parseJson(toJsonText(RegoObject.from(columns)));
  });
}

/** Whether both are the same set of solutions; with `sorted` the order in arrays does not matter. */
export function sameSolutions(got: readonly Value[], want: readonly Value[], sorted: boolean): boolean {
  const normal = (solutions: readonly Value[]): RegoSet => RegoSet.from(sorted ? solutions.map(sortArrays) : solutions);
  return equal(normal(got), normal(want));
}

/** The value with every array in Rego order. */
function sortArrays(value: Value): Value {
  if (isArray(value)) {
    return sortedByText(value.map(sortArrays));
  }
  return value instanceof RegoObject
    ? RegoObject.from([...value].map(([key, member]) => [key, sortArrays(member)]))
    : value;
}

function sortedByText(items: Value[]): Value[] {
  return items.sort((a, b) => (canonicalText(a) < canonicalText(b) ? -1 : 1));
}

function textField(fields: RegoObject, name: string): string {
  const value = fields.get(name);
  if (typeof value !== "string") {
    throw new TypeError(`a case has a text ${name}`);
  }
  return value;
}

function shown(fields: RegoObject, name: string): string {
  const value = fields.get(name);
  return value === undefined ? "nothing" : cut(toJsonText(value));
}

function listed(answers: readonly Value[]): string {
  return cut(toJsonText(answers));
}

function cut(text: string): string {
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
