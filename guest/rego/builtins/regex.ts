/** The regex.* built-ins on the engine in ../regex. */
import { RegoLimitError } from "../errors.ts";
import { type CompiledRegex, RegexLimitError, StepCounter } from "../regex/index.ts";
import { globsIntersect } from "./glob-intersection.ts";
import { any, builtin, chargeText, smallInteger, string, valueError } from "./operands.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "./types.ts";

/** Steps of the regex engine that cost as much as one step of an evaluation. */
const stepsPerCharge = 16;

/**
 * Runs a match with counted steps. A match that is too expensive ends the evaluation: were it only undefined,
 * `not regex.match(…)` would hold.
 */
export function counted<T>(context: BuiltinContext, run: (steps: StepCounter) => T): T {
  const steps = new StepCounter();
  try {
    return run(steps);
  } catch (cause) {
    if (cause instanceof RegexLimitError) throw new RegoLimitError("regex steps", steps.maximum);
    throw cause;
  } finally {
    if (steps.spent >= stepsPerCharge) context.charge(Math.floor(steps.spent / stepsPerCharge));
  }
}

function match(context: BuiltinContext, pattern: string, subject: string): boolean {
  const regex = context.regex(pattern);
  return counted(context, (steps) => regex.test(subject, steps));
}

function isValid(context: BuiltinContext, pattern: string): boolean {
  try {
    context.regex(pattern);
    return true;
  } catch (cause) {
    if (cause instanceof BuiltinError) return false;
    throw cause;
  }
}

function findAll(context: BuiltinContext, regex: CompiledRegex, subject: string, limit: number) {
  const matches = counted(context, (steps) => regex.findAll(subject, limit, steps));
  context.chargeOutput(matches.length * (matches[0]?.length ?? 0));
  return matches;
}

function replace(context: BuiltinContext, subject: string, pattern: string, template: string): string {
  const regex = context.regex(pattern);
  const result = counted(context, (steps) => regex.replaceAll(subject, template, steps));
  chargeText(context, result.length);
  return result;
}

/**
 * A template is text with patterns between delimiters, such as `urn:foo:{.*}` with `{` and `}`; delimiters nest. The
 * text is taken literally, and the whole must match.
 */
function templateMatch(context: BuiltinContext, template: string, subject: string, start: string, end: string) {
  if ([...start].length !== 1 || [...end].length !== 1) {
    throw valueError("regex.template_match", "delimiters must be one character");
  }
  const pattern = templatePattern(template, start, end);
  return match(context, `^${pattern}$`, subject);
}

function templatePattern(template: string, start: string, end: string): string {
  let pattern = "";
  let depth = 0;
  let partStart = 0;
  for (let position = 0; position < template.length; position++) {
    if (template.startsWith(start, position) && depth++ === 0) {
      pattern += quoteMeta(template.slice(partStart, position));
      partStart = position + start.length;
    } else if (template.startsWith(end, position) && --depth === 0) {
      pattern += `(${template.slice(partStart, position)})`;
      partStart = position + end.length;
    }
    if (depth < 0) break;
  }
  if (depth !== 0) throw valueError("regex.template_match", `unbalanced delimiters in ${JSON.stringify(template)}`);
  return pattern + quoteMeta(template.slice(partStart));
}

function quoteMeta(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

export const regexBuiltins: readonly Builtin[] = [
  builtin("regex.match", [string, string], match),
  builtin("re_match", [string, string], match, { deprecated: true }),
  builtin("regex.is_valid", [any], (context, pattern) => typeof pattern === "string" && isValid(context, pattern)),
  builtin("regex.find_n", [string, string, smallInteger], (context, pattern, subject, limit) =>
    findAll(context, context.regex(pattern), subject, limit).map(([whole = ""]) => whole),
  ),
  builtin("regex.find_all_string_submatch_n", [string, string, smallInteger], (context, pattern, subject, limit) =>
    findAll(context, context.regex(pattern), subject, limit),
  ),
  builtin("regex.split", [string, string], (context, pattern, subject) => {
    const regex = context.regex(pattern);
    const parts = counted(context, (steps) => regex.split(subject, steps));
    context.chargeOutput(parts.length);
    return parts;
  }),
  builtin("regex.replace", [string, string, string], replace),
  builtin("regex.template_match", [string, string, string, string], templateMatch),
  builtin("regex.globs_match", [string, string], (context, first, second) => {
    context.charge(first.length * second.length);
    return globsIntersect(first, second);
  }),
];
