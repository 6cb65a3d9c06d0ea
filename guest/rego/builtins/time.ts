/** The time.* built-ins. Times are nanoseconds since 1970; the zone of an operand [ns, zone] is an IANA name. */
import { toBigInt, integer as toNumber } from "../number.ts";
import { isArray, isNumber, type Value } from "../value.ts";
import {
  type CivilTime,
  civilTime,
  dayNames,
  daysInMonth,
  findZone,
  fromLocal,
  isValidTime,
  localNsOf,
  nsPerSecond,
  toLocal,
  utc,
  type Zone,
} from "./calendar.ts";
import { any, builtin, chargeText, smallInteger, string, valueError } from "./operands.ts";
import { formatTime } from "./time-format.ts";
import { resolveLayout } from "./time-layout.ts";
import { parseTime } from "./time-parse.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "./types.ts";

interface ZonedTime {
  readonly ns: bigint;
  readonly zone: Zone;
  readonly layout: string | undefined;
}

/** Reads `ns`, `[ns]`, `[ns, zone]` or `[ns, zone, layout]`. */
function readTime(name: string, value: Value): ZonedTime {
  const [time = null, zoneName = "", layout] = isArray(value) ? value : [value];
  const ns = isNumber(time) ? toBigInt(time) : undefined;
  if (ns === undefined || typeof zoneName !== "string" || (layout !== undefined && typeof layout !== "string")) {
    throw new BuiltinError("eval_type_error", `${name}: operand 1 must be a time or an array of a time and a zone`);
  }
  if (!isValidTime(ns)) throw valueError(name, "timestamp too big");
  const zone = zoneName === "" ? utc : findZone(zoneName);
  if (zone === undefined) throw valueError(name, `unknown time zone ${zoneName}`);
  return { ns, zone, layout };
}

function civilOf(name: string, value: Value): CivilTime {
  const { ns, zone } = readTime(name, value);
  return civilTime(toLocal(ns, zone));
}

function requireTime(name: string, ns: bigint | undefined): Value {
  if (ns === undefined) throw valueError(name, "can't parse as this kind of time");
  if (!isValidTime(ns)) throw valueError(name, "time outside of valid range");
  return toNumber(ns);
}

function now({ nowNs }: BuiltinContext): Value {
  if (nowNs === undefined) throw valueError("time.now_ns", "there is no clock here");
  return toNumber(nowNs);
}

function addDate(_context: BuiltinContext, value: Value, years: number, months: number, days: number): Value {
  const { ns, zone } = readTime("time.add_date", value);
  const civil = civilTime(toLocal(ns, zone));
  const local = localNsOf({ ...civil, year: civil.year + years, month: civil.month + months, day: civil.day + days });
  return requireTime("time.add_date", local === undefined ? undefined : fromLocal(local, zone));
}

function format(context: BuiltinContext, value: Value): string {
  const { ns, zone, layout } = readTime("time.format", value);
  const resolved = resolveLayout(layout ?? "RFC3339Nano");
  chargeText(context, 2 * resolved.length);
  return formatTime(civilTime(toLocal(ns, zone)), zone.offsetAt(ns), zone.nameAt(ns), resolved);
}

/** Years, months, days, hours, minutes and seconds between two times, each less than what makes one of the next. */
function difference(_context: BuiltinContext, first: Value, second: Value): Value {
  const left = readTime("time.diff", first);
  const right = readTime("time.diff", second);
  // Both in the zone of the first.
  const [earlier, later] = left.ns < right.ns ? [left.ns, right.ns] : [right.ns, left.ns];
  const from = civilTime(toLocal(earlier, left.zone));
  const to = civilTime(toLocal(later, left.zone));
  const fields = [
    to.year - from.year,
    to.month - from.month,
    to.day - from.day,
    to.hour - from.hour,
    to.minute - from.minute,
    to.second - from.second,
  ] as const;
  return borrow(fields, from);
}

function borrow(fields: readonly [number, number, number, number, number, number], from: CivilTime): readonly number[] {
  let [years, months, days, hours, minutes, seconds] = fields;
  if (seconds < 0) {
    seconds += 60;
    minutes--;
  }
  if (minutes < 0) {
    minutes += 60;
    hours--;
  }
  if (hours < 0) {
    hours += 24;
    days--;
  }
  if (days < 0) {
    days += daysInMonth(from.year, from.month);
    months--;
  }
  if (months < 0) {
    months += 12;
    years--;
  }
  return [years, months, days, hours, minutes, seconds];
}

const durationUnits: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: nsPerSecond,
  m: 60n * nsPerSecond,
  h: 3600n * nsPerSecond,
};

/** Go's durations: "1h15m30.5s"; "0" needs no unit. */
function parseDuration(_context: BuiltinContext, text: string): Value {
  const unsigned = text.replace(/^[+-]/, "");
  if (unsigned === "0") return 0;
  let total = 0n;
  let position = 0;
  for (const match of unsigned
    .slice(0, maxDurationLength)
    .matchAll(/(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy)) {
    const [part, whole = "", fraction = "", unit = ""] = match;
    if (whole + fraction === "") break;
    const scale = durationUnits[unit] ?? 0n;
    total += (BigInt(whole + fraction) * scale) / 10n ** BigInt(fraction.length);
    position += part.length;
  }
  const isWhole = position > 0 && position === unsigned.length;
  if (!isWhole || !isValidTime(total)) throw valueError("time.parse_duration_ns", "invalid duration");
  return toNumber(text.startsWith("-") ? -total : total);
}

const maxDurationLength = 256;

export const timeBuiltins: readonly Builtin[] = [
  builtin("time.now_ns", [], now, { nondeterministic: true }),
  builtin("time.parse_ns", [string, string], (context, layout, text) => {
    context.charge((layout.length + text.length) >>> 4);
    return requireTime("time.parse_ns", parseTime(resolveLayout(layout), text));
  }),
  builtin("time.parse_rfc3339_ns", [string], (_context, text) =>
    requireTime("time.parse_rfc3339_ns", parseTime(resolveLayout("RFC3339"), text)),
  ),
  builtin("time.parse_duration_ns", [string], parseDuration),
  builtin("time.format", [any], format),
  builtin("time.date", [any], (_context, value) => {
    const { year, month, day } = civilOf("time.date", value);
    return [year, month, day];
  }),
  builtin("time.clock", [any], (_context, value) => {
    const { hour, minute, second } = civilOf("time.clock", value);
    return [hour, minute, second];
  }),
  builtin("time.weekday", [any], (_context, value) => dayNames[civilOf("time.weekday", value).weekday]),
  builtin("time.add_date", [any, smallInteger, smallInteger, smallInteger], addDate),
  builtin("time.diff", [any, any], difference),
];
