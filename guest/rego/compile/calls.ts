/** Code for calls of built-ins and functions. */
import type { Callee } from "../analysis/resolved.ts";
import type { Builtin } from "../builtins/types.ts";
import type { Evaluation, Mock } from "../evaluate/evaluation.ts";
import type { Get } from "../evaluate/frame.ts";
import type { Expression } from "../plan/plan.ts";
import { equal, type Value } from "../value.ts";
import { isConstant, isPure } from "./constants.ts";
import { compileOperands } from "./operands.ts";
import type { Unit } from "./unit.ts";

/** Code for a call. Undefined operands make it undefined. */
export function compileCall(call: Expression & { readonly kind: "call" }, unit: Unit): Get {
  const { callee, operands, start } = call;
  const direct = compileMemoizedCall(call, unit) ?? compileDirectCall(callee, operands, start, unit);
  const target = callee.kind === "builtin" ? callee.builtin : callee.group;
  if (!unit.program.isReplaced(target)) {
    return direct;
  }
  const getValues = compileOperands(operands, unit);
  return (frame) => {
    const mock = frame.evaluation.world.mocks?.get(target);
    if (mock === undefined) {
      return direct(frame);
    }
    const values = getValues(frame);
    return values && callMock(mock, values, frame.evaluation, start, unit);
  };
}

/**
 * Code for a call of a pure built-in in which one operand varies and may be a string: results are kept by that string
 * for the rest of the evaluation, since loops call again and again with the same few strings.
 */
function compileMemoizedCall(call: Expression & { readonly kind: "call" }, unit: Unit): Get | undefined {
  const { callee, operands, start } = call;
  const { program, source } = unit;
  const varying = operands.filter((operand) => !isConstant(operand, program));
  const [operand] = varying;
  const isCandidate = callee.kind === "builtin" && memoized.has(callee.builtin.name) && isPure(call, program);
  if (!program.options.folding || !isCandidate || operand === undefined || varying.length !== 1) {
    return undefined;
  }
  const site = program.newSite();
  const getKey = unit.expression(operand);
  const position = operands.indexOf(operand);
  const getters = operands.map((other) => unit.expression(other));
  const { evaluate } = callee.builtin;
  return (frame) => {
    const key = getKey(frame);
    if (key === undefined) {
      return undefined;
    }
    const { evaluation } = frame;
    const results = evaluation.resultsAt(site);
    const known = typeof key === "string" ? results.get(key) : undefined;
    if (known !== undefined) {
      return known;
    }
    const values: Value[] = [];
    for (const [index, get] of getters.entries()) {
      const value = index === position ? key : get(frame);
      if (value === undefined) {
        return undefined;
      }
      values.push(value);
    }
    evaluation.charge(1);
    try {
      const result = evaluate(evaluation, ...values);
      if (result !== undefined && typeof key === "string" && results.size < maxKeptResults) {
        results.set(key, result);
      }
      return result;
    } catch (cause) {
      return evaluation.builtinFailed(cause, source, start);
    }
  };
}

/** Results kept at one place of the code during one evaluation. */
const maxKeptResults = 10_000;

/** Built-ins that cost more than a look into a map and are called in loops. */
const memoized: ReadonlySet<string> = new Set([
  "concat",
  "lower",
  "regex.find_all_string_submatch_n",
  "regex.match",
  "replace",
  "split",
  "sprintf",
  "trim_prefix",
]);

function compileDirectCall(callee: Callee, operands: readonly Expression[], start: number, unit: Unit): Get {
  if (callee.kind === "builtin") {
    return compileBuiltinCall(callee.builtin, operands, start, unit);
  }
  const { group } = callee;
  const { program } = unit;
  const getValues = compileOperands(operands, unit);
  return (frame) => {
    const values = getValues(frame);
    return values && program.rule(group).call(frame.evaluation, values);
  };
}

function compileBuiltinCall(
  { name, evaluate }: Builtin,
  operands: readonly Expression[],
  start: number,
  unit: Unit,
): Get {
  const [first, second] = operands.map((operand) => unit.expression(operand));
  if (name === "equal" && first !== undefined && second !== undefined) {
    return (frame) => {
      const a = first(frame);
      const b = a === undefined ? undefined : second(frame);
      return a === undefined || b === undefined ? undefined : equal(a, b, frame.evaluation);
    };
  }
  const { source } = unit;
  if (first !== undefined && operands.length === 1) {
    return (frame) => {
      const a = first(frame);
      if (a === undefined) {
        return undefined;
      }
      const { evaluation } = frame;
      evaluation.charge(1);
      try {
        return evaluate(evaluation, a);
      } catch (cause) {
        return evaluation.builtinFailed(cause, source, start);
      }
    };
  }
  if (first !== undefined && second !== undefined && operands.length === 2) {
    return (frame) => {
      const a = first(frame);
      const b = a === undefined ? undefined : second(frame);
      if (a === undefined || b === undefined) {
        return undefined;
      }
      const { evaluation } = frame;
      evaluation.charge(1);
      try {
        return evaluate(evaluation, a, b);
      } catch (cause) {
        return evaluation.builtinFailed(cause, source, start);
      }
    };
  }
  const getValues = compileOperands(operands, unit);
  return (frame) => {
    const values = getValues(frame);
    return values && callBuiltin(evaluate, values, frame.evaluation, start, unit);
  };
}

function callBuiltin(
  evaluate: Builtin["evaluate"],
  values: readonly Value[],
  evaluation: Evaluation,
  start: number,
  unit: Unit,
): Value | undefined {
  evaluation.charge(1);
  try {
    return evaluate(evaluation, ...values);
  } catch (cause) {
    return evaluation.builtinFailed(cause, unit.source, start);
  }
}

/** A replaced function: a value stands for every result, or another function is called, itself free of replacements. */
function callMock(
  mock: Mock,
  values: readonly Value[],
  evaluation: Evaluation,
  start: number,
  unit: Unit,
): Value | undefined {
  if (mock.kind === "value") {
    return mock.value;
  }
  const { world } = evaluation;
  evaluation.world = { ...world, mocks: undefined, memo: [] };
  try {
    return mock.callee.kind === "builtin"
      ? callBuiltin(mock.callee.builtin.evaluate, values, evaluation, start, unit)
      : unit.program.rule(mock.callee.group).call(evaluation, values);
  } finally {
    evaluation.world = world;
  }
}
