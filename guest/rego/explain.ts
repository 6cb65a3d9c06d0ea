/** Traces to explanations, and explanations to text. */
import type { Attempt, TracedValue } from "./evaluate/trace.ts";
import { formatValue } from "./format.ts";
import type { ExplainedAttempt, Explanation } from "./index.ts";
import { isArray, RegoObject, RegoSet } from "./value.ts";

/** Attempts in an explanation; characters of one value and of one literal. */
const maxAttempts = 100;
const maxValueLength = 200;
const maxLiteralLength = 300;
/** Members of a collection that is shown; larger ones are only counted. */
const maxMembers = 20;

/** The attempts as a list: those that came furthest first, each followed by what it called. */
export function explainAttempts(attempts: readonly Attempt[], truncated: boolean): Explanation {
  const listed: ExplainedAttempt[] = [];
  const isComplete = list(attempts, 0, listed);
  return { attempts: listed, truncated: truncated || !isComplete };
}

function list(attempts: readonly Attempt[], depth: number, listed: ExplainedAttempt[]): boolean {
  const nearestFirst = [...attempts].sort((a, b) => b.passed - a.passed);
  const seen = new Set<string>();
  for (const attempt of nearestFirst) {
    if (listed.length >= maxAttempts) {
      return false;
    }
    const explained = explainAttempt(attempt, depth);
    // A loop outside tries the same again and again.
    const text = JSON.stringify(explained);
    if (seen.has(text)) {
      continue;
    }
    seen.add(text);
    listed.push(explained);
    if (!list(attempt.children, depth + 1, listed)) {
      return false;
    }
  }
  return true;
}

function explainAttempt(attempt: Attempt, depth: number): ExplainedAttempt {
  const { rule, source, start, end, passed, total } = attempt;
  const literal = source.text.slice(start, end).replace(/\s+/g, " ");
  return {
    rule: `data.${rule.join(".")}`,
    file: source.name,
    line: source.lineAt(start),
    literal: cut(literal, maxLiteralLength),
    values: attempt.values.filter(isWorthShowing).map(explainValue),
    passed,
    total,
    depth,
  };
}

/**
 * Of `process` and `process.Args` only the latter is worth showing, if it has a value. A variable without one is what the
 * literal was to give a value to.
 */
function isWorthShowing({ name, value }: TracedValue, _: number, all: readonly TracedValue[]): boolean {
  const isVariable = !/[.[]/.test(name);
  const isCovered = all.some(
    (other) => other.value !== undefined && (other.name.startsWith(`${name}.`) || other.name.startsWith(`${name}[`)),
  );
  return !isCovered && !(isVariable && value === undefined);
}

function explainValue({ name, value }: TracedValue): { name: string; value: string } {
  if (value === undefined) {
    return { name, value: "undefined" };
  }
  const isObject = value instanceof RegoObject || value instanceof RegoSet;
  const size = isArray(value) ? value.length : isObject ? value.size : 0;
  const text = size > maxMembers ? `a collection of ${size} members` : formatValue(value);
  return { name, value: cut(text, maxValueLength) };
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** An explanation as indented text, two lines and one for each value an attempt. */
export function formatExplanation({ attempts, truncated }: Explanation): string {
  const lines = attempts.flatMap(({ rule, file, line, literal, values, passed, total, depth }) => {
    const indent = "  ".repeat(depth);
    return [
      `${indent}${rule} (${file}:${line}) failed at literal ${passed + 1} of ${Math.max(total, 1)}:`,
      `${indent}  ${literal}`,
      ...values.map(({ name, value }) => `${indent}    ${name} = ${value}`),
    ];
  });
  return [...lines, ...(truncated ? ["and more"] : [])].join("\n");
}
