/** sprintf: Go's fmt on Rego values. Integers, floats and strings keep their kind; every other value is its Rego text. */
import { formatValue } from "../format.ts";
import { isInteger, toDouble } from "../number.ts";
import { isNumber, type Value } from "../value.ts";
import { type FormatArgument, formatVerb } from "./format-verbs.ts";
import { maxFormatWidth, maxResultLength } from "./limits.ts";
import { array, builtin, chargeText, string, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

/** What stands between `%` and the verb. */
export interface FormatSpec {
  readonly plus: boolean;
  readonly minus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const directive = /%([+\-# 0]*)(\[\d{1,6}\])?(\*|\d+)?(?:(\.)(\[\d{1,6}\])?(\*|\d+)?)?(\[\d{1,6}\])?(.)?/gsu;

/** Reads the arguments in order, or at `[n]`. */
class Arguments {
  readonly #values: readonly FormatArgument[];
  #next = 0;
  reordered = false;

  constructor(values: readonly FormatArgument[]) {
    this.#values = values;
  }

  /** Moves to the argument that `[n]` names; false if there is none. */
  select(index: string | undefined): boolean {
    if (index === undefined) return true;
    this.reordered = true;
    this.#next = Number(index.slice(1, -1)) - 1;
    return this.#next >= 0 && this.#next < this.#values.length;
  }

  take(): FormatArgument | undefined {
    return this.#values[this.#next++];
  }

  rest(): readonly FormatArgument[] {
    return this.reordered ? [] : this.#values.slice(this.#next);
  }
}

function formatText(context: BuiltinContext, format: string, values: readonly FormatArgument[]): string {
  const args = new Arguments(values);
  let length = 0;
  const parts: string[] = [];
  const push = (part: string) => {
    length += part.length;
    chargeText(context, part.length);
    if (length > maxResultLength) throw valueError("sprintf", "result is too long");
    parts.push(part);
  };
  let position = 0;
  for (const match of format.matchAll(directive)) {
    push(format.slice(position, match.index));
    position = match.index + match[0].length;
    push(formatDirective(match, args));
  }
  push(format.slice(position));
  const extra = args.rest();
  if (extra.length > 0) {
    const shown = extra.map((value) => `${kindOf(value)}=${formatVerb("v", value, noFlags) ?? ""}`);
    push(`%!(EXTRA ${shown.join(", ")})`);
  }
  return parts.join("");
}

const noFlags: FormatSpec = {
  plus: false,
  minus: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
};

function formatDirective(match: RegExpExecArray, args: Arguments): string {
  const [, flags = "", widthIndex, width, point, precisionIndex, precision, valueIndex, verb] = match;
  let isGoodIndex = args.select(widthIndex);
  const widthValue = readCount(width, args);
  isGoodIndex = args.select(precisionIndex) && isGoodIndex;
  const precisionValue = point === undefined ? undefined : precision === undefined ? 0 : readCount(precision, args);
  isGoodIndex = args.select(valueIndex) && isGoodIndex;
  if (verb === undefined) return "%!(NOVERB)";
  if (verb === "%") return "%";
  if (!isGoodIndex) return `%!${verb}(BADINDEX)`;
  const value = args.take();
  const prefix = (widthValue === "bad" ? "%!(BADWIDTH)" : "") + (precisionValue === "bad" ? "%!(BADPREC)" : "");
  if (value === undefined) return `${prefix}%!${verb}(MISSING)`;
  const isLeft = flags.includes("-") || (typeof widthValue === "number" && widthValue < 0);
  const spec: FormatSpec = {
    plus: flags.includes("+"),
    minus: isLeft,
    sharp: flags.includes("#"),
    space: flags.includes(" "),
    zero: flags.includes("0") && !isLeft,
    width: typeof widthValue === "number" ? Math.abs(widthValue) : undefined,
    precision: typeof precisionValue === "number" && precisionValue >= 0 ? precisionValue : undefined,
  };
  return prefix + (formatVerb(verb, value, spec) ?? badVerb(verb, value, spec));
}

/** What Go shows when a verb is not for the kind of argument. */
function badVerb(verb: string, value: FormatArgument, spec: FormatSpec): string {
  const text = formatVerb("v", value, { ...spec, sharp: false }) ?? "";
  return `%!${verb}(${kindOf(value).replace("*", "")}=${text})`;
}

/** A width or precision: written out, or `*` for the next argument. */
function readCount(text: string | undefined, args: Arguments): number | "bad" | undefined {
  if (text === undefined) return undefined;
  const count = text === "*" ? args.take() : Number(text);
  const isValid = (typeof count === "number" || typeof count === "bigint") && Math.abs(Number(count)) <= maxFormatWidth;
  return isValid ? Number(count) : "bad";
}

/** The name of Go's type for an argument. */
function kindOf(value: FormatArgument): string {
  if (typeof value === "string") return "string";
  if (typeof value === "object") return "float64";
  return BigInt.asIntN(64, value) === value ? "int" : "*big.Int";
}

function toArgument(value: Value): FormatArgument {
  if (typeof value === "string") return value;
  if (!isNumber(value)) return formatValue(value);
  if (!isInteger(value)) return { float: toDouble(value) };
  const integer = BigInt(value);
  return Number.isFinite(Number(integer)) ? integer : scientific(integer);
}

/** What no double can hold is shown as it is usually written, 2e308 and not with 308 zeros. */
function scientific(value: bigint): string {
  const digits = value.toString();
  const coefficient = digits.replace(/0{21,}$/, "");
  return coefficient === digits ? digits : `${coefficient}e${digits.length - coefficient.length}`;
}

export const sprintfBuiltins: readonly Builtin[] = [
  builtin("sprintf", [string, array], (context, format, values) =>
    formatText(
      context,
      format,
      values.map((value) => {
        const argument = toArgument(value);
        if (typeof argument === "string") chargeText(context, argument.length);
        return argument;
      }),
    ),
  ),
];
