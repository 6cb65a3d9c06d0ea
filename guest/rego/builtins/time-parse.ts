/** Times from text, in a layout. */
import { dayNames, daysInMonth, localNsOf, monthNames, nsPerSecond } from "./calendar.ts";
import { partsOf } from "./time-layout.ts";

/** What has been read of a text so far. */
interface Reading {
  year: number;
  month: number;
  day: number;
  yearDay: number | undefined;
  hour: number;
  minute: number;
  second: number;
  nanosecond: number;
  afternoon: boolean | undefined;
  offsetSeconds: number;
}

/** Reads a text in the layout: nanoseconds since 1970, or undefined if it does not fit or is no date. */
export function parseTime(layout: string, text: string): bigint | undefined {
  const reading: Reading = {
    year: 0,
    month: 1,
    day: 1,
    yearDay: undefined,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    afternoon: undefined,
    offsetSeconds: 0,
  };
  let rest = text;
  const parts = partsOf(layout);
  for (const [index, part] of parts.entries()) {
    const consumed = "text" in part ? matchText(part.text, rest) : readElement(part.element, rest, reading);
    if (consumed === undefined) return undefined;
    rest = rest.slice(consumed);
    const next = parts[index + 1];
    const fractionFollows = next !== undefined && "element" in next && /^[.,]/.test(next.element);
    if ("element" in part && /^0?5$/.test(part.element) && !fractionFollows) {
      rest = rest.slice(readFraction(rest, reading));
    }
  }
  return rest === "" ? pointInTime(reading) : undefined;
}

function matchText(expected: string, rest: string): number | undefined {
  return rest.startsWith(expected) ? expected.length : undefined;
}

/** A fraction of seconds that the layout doesn't mention but the text has. */
function readFraction(rest: string, reading: Reading): number {
  const match = /^[.,](\d{1,64})/.exec(rest);
  if (match === null) return 0;
  reading.nanosecond = Number((match[1] ?? "").padEnd(9, "0").slice(0, 9));
  return match[0].length;
}

const numericElements: Readonly<
  Record<
    string,
    readonly [keyof Reading & ("year" | "month" | "day" | "hour" | "minute" | "second" | "yearDay"), RegExp]
  >
> = {
  "2006": ["year", /^\d{4}/],
  "1": ["month", /^\d{1,2}/],
  "01": ["month", /^\d{2}/],
  "2": ["day", /^\d{1,2}/],
  "02": ["day", /^\d{2}/],
  _2: ["day", /^ ?\d{1,2}/],
  "002": ["yearDay", /^\d{3}/],
  __2: ["yearDay", /^[ \d]{2}\d/],
  "15": ["hour", /^\d{2}/],
  "3": ["hour", /^\d{1,2}/],
  "03": ["hour", /^\d{2}/],
  "4": ["minute", /^\d{1,2}/],
  "04": ["minute", /^\d{2}/],
  "5": ["second", /^\d{1,2}/],
  "05": ["second", /^\d{2}/],
};

/** Reads one element; the number of characters, or undefined if the text does not go on so. */
function readElement(name: string, rest: string, reading: Reading): number | undefined {
  const numeric = numericElements[name];
  if (numeric !== undefined) {
    const [field, pattern] = numeric;
    const digits = pattern.exec(rest)?.[0];
    if (digits === undefined) return undefined;
    reading[field] = Number(digits);
    return digits.length;
  }
  switch (name) {
    case "06": {
      const digits = /^\d{2}/.exec(rest)?.[0];
      if (digits === undefined) return undefined;
      reading.year = Number(digits) + (Number(digits) >= 69 ? 1900 : 2000);
      return 2;
    }
    case "January":
    case "Jan":
      return readName(monthNames, name === "Jan", rest, (index) => {
        reading.month = index + 1;
      });
    case "Monday":
    case "Mon":
      return readName(dayNames, name === "Mon", rest, () => {});
    case "PM":
    case "pm": {
      const half = /^[AaPp][Mm]/.exec(rest)?.[0];
      const fits = half !== undefined && half === (name === "PM" ? half.toUpperCase() : half.toLowerCase());
      reading.afternoon = half?.toLowerCase() === "pm";
      return fits ? 2 : undefined;
    }
    case "MST":
      return readZoneName(rest, reading);
    default:
      return /^[.,]/.test(name) ? readLayoutFraction(name, rest, reading) : readOffset(name, rest, reading);
  }
}

function readName(
  names: readonly string[],
  short: boolean,
  rest: string,
  found: (index: number) => void,
): number | undefined {
  const index = names.findIndex((name) => {
    const expected = short ? name.slice(0, 3) : name;
    return rest.slice(0, expected.length).toLowerCase() === expected.toLowerCase();
  });
  if (index < 0) return undefined;
  found(index);
  return short ? 3 : (names[index]?.length ?? 0);
}

/** An abbreviation says nothing of the offset, except for "GMT+3". */
function readZoneName(rest: string, reading: Reading): number | undefined {
  const match = /^GMT([+-]\d{1,2})|^[A-Z]{3,5}|^[+-]\d{2}/.exec(rest);
  if (match === null) return undefined;
  if (match[1] !== undefined) reading.offsetSeconds = Number(match[1]) * 3600;
  return match[0].length;
}

function readLayoutFraction(name: string, rest: string, reading: Reading): number | undefined {
  if (name.charAt(1) === "9") return readFraction(rest, reading);
  const digits = rest.slice(1, name.length);
  if (!/^[.,]/.test(rest) || digits.length !== name.length - 1 || !/^\d+$/.test(digits)) return undefined;
  return readFraction(rest.slice(0, name.length), reading);
}

function readOffset(name: string, rest: string, reading: Reading): number | undefined {
  if (name.startsWith("Z") && rest.startsWith("Z")) return 1;
  const colon = name.includes(":") ? ":" : "";
  const fields = Math.ceil((name.replaceAll(":", "").length - 1) / 2);
  const pattern = [`^([+-])(\\d\\d)`, `${colon}(\\d\\d)`, `${colon}(\\d\\d)`].slice(0, fields).join("");
  const match = new RegExp(pattern).exec(rest);
  if (match === null) return undefined;
  const [text, sign, hours = "0", minutes = "0", seconds = "0"] = match;
  if (Number(hours) > 24 || Number(minutes) >= 60 || Number(seconds) >= 60) return undefined;
  const magnitude = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  reading.offsetSeconds = sign === "-" ? -magnitude : magnitude;
  return text.length;
}

function pointInTime(reading: Reading): bigint | undefined {
  const { year, minute, second } = reading;
  const hour = hourOf(reading);
  if (hour === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  const isLeap = daysInMonth(year, 2) === 29;
  if (reading.yearDay !== undefined && (reading.yearDay < 1 || reading.yearDay > (isLeap ? 366 : 365)))
    return undefined;
  const month = reading.yearDay === undefined ? reading.month : 1;
  const day = reading.yearDay ?? reading.day;
  const isDate =
    month >= 1 && month <= 12 && day >= 1 && (reading.yearDay !== undefined || day <= daysInMonth(year, month));
  const localNs = isDate ? localNsOf({ ...reading, month, day, hour }) : undefined;
  return localNs === undefined ? undefined : localNs - BigInt(reading.offsetSeconds) * nsPerSecond;
}

/** The hour of 24, from an hour of 12 if the text says which half of the day. */
function hourOf({ hour, afternoon }: Reading): number | undefined {
  if (afternoon === undefined) return hour;
  if (hour < 0 || hour > 12) return undefined;
  return (hour % 12) + (afternoon ? 12 : 0);
}
