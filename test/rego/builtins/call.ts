import { loadBuiltinsFor } from "../../../guest/rego/builtins/on-demand.ts";
import { type BuiltinContext, BuiltinError } from "../../../guest/rego/builtins/types.ts";
import { RegoLimitError } from "../../../guest/rego/errors.ts";
import { compileRegex, RegexSyntaxError } from "../../../guest/rego/regex/index.ts";
import { fromJson, type JsonInput, RegoObject, RegoSet, type Value } from "../../../guest/rego/value.ts";

/** Every built-in. */
export const builtins = await loadBuiltinsFor([{ text: "graphql. yaml." }]);

/** A context with a budget of its own. */
export function createContext(budget = 10_000_000): BuiltinContext {
  let left = budget;
  const spend = (units: number) => {
    left -= units;
    if (left < 0) throw new RegoLimitError("test budget", budget);
  };
  return {
    charge: spend,
    chargeOutput: spend,
    regex: (pattern) => {
      try {
        return compileRegex(pattern);
      } catch (cause) {
        if (cause instanceof RegexSyntaxError) throw new BuiltinError("eval_builtin_error", cause.message, { cause });
        throw cause;
      }
    },
    nowNs: 1_700_000_000_000_000_000n,
    memo: new Map(),
  };
}

/** Calls a built-in by its full name. */
export function call(name: string, ...operands: Value[]): Value | undefined {
  return callIn(createContext(), name, ...operands);
}

/** Calls a built-in with a budget that the caller chose. */
export function callIn(context: BuiltinContext, name: string, ...operands: Value[]): Value | undefined {
  const builtin = builtins.get(name);
  if (builtin === undefined) throw new Error(`no built-in ${name}`);
  if (builtin.enumerate !== undefined) return [...builtin.enumerate(context, ...operands)];
  return builtin.evaluate(context, ...operands);
}

/** JSON data as a value. */
export const value = (data: JsonInput): Value => fromJson(data);

/** A set of JSON data. */
export const set = (...members: JsonInput[]): RegoSet => RegoSet.from(members.map(value));

/** An object of JSON data with keys of any kind. */
export const object = (...members: [Value, Value][]): RegoObject => RegoObject.from(members);
