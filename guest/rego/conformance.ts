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

/**
 * Runs one case.
 *
 * @param line the case's JSON text; numbers in it keep their exact value
 * @param nowNs the time that the case sees
 * @throws JsonError when the line is not JSON, TypeError when it is no case
 */
export async function runCase(line: string, nowNs: bigint, options: CompileOptions = {}): Promise<CaseResult> {
  const fields = parseJson(line);
  if (!(fields instanceof RegoObject)) {
    throw new TypeError("a case is a JSON object");
  }
  const id = textField(fields, "id");
  const tier = textField(fields, "tier");
  const wantsError = fields.has("want_error");
  try {
    const got = answer(fields, nowNs, { builtins: await loadBuiltinsFor([{ text: line }]), ...options });
    if (wantsError) {
      return { id, tier, passed: false, reason: `wanted the error ${shown(fields, "want_error")}, got ${listed(got)}` };
    }
    const sorted = fields.get("sort") === true;
    const passed = sameAnswers(got, fields.get("want") ?? [], sorted);
    return { id, tier, passed, reason: passed ? "" : `wanted ${shown(fields, "want")}, got ${listed(got)}` };
  } catch (error) {
    const isExpected =
      error instanceof RegoLoadError || error instanceof RegoEvaluationError || error instanceof RegoLimitError;
    if (!isExpected) {
      return { id, tier, passed: false, reason: `the engine failed: ${String(error)}` };
    }
    return {
      id,
      tier,
      passed: wantsError,
      reason: wantsError ? "" : `wanted ${shown(fields, "want")}, got ${error.message}`,
    };
  }
}

function answer(fields: RegoObject, nowNs: bigint, options: CompileOptions): Value[] {
  const modules = fields.get("modules") ?? [];
  const texts = isArray(modules) ? modules.filter((text) => typeof text === "string") : [];
  const policy = compilePolicy(
    texts.map((text, index) => ({ name: `module-${index}`, text })),
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

/** Both are the same set of solutions. */
function sameAnswers(got: readonly Value[], want: Value, sorted: boolean): boolean {
  const normal = (answers: readonly Value[]): RegoSet => RegoSet.from(sorted ? answers.map(sortArrays) : answers);
  return isArray(want) && equal(normal(got), normal(want));
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
