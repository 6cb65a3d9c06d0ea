/** Dates and zones: a point in time is nanoseconds since 1970 as a bigint; a local time is the same count read as if in UTC. */

export const nsPerSecond = 1_000_000_000n;
const nsPerMillisecond = 1_000_000n;

export const monthNames = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

export const dayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;

/** A date and time of day as a calendar and a clock show it. Months and days count from 1, weekdays from Sunday = 0. */
export interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly nanosecond: number;
  readonly weekday: number;
}

/** Whether the point in time fits 64 bits of nanoseconds, the range of OPA's times. */
export function isValidTime(ns: bigint): boolean {
  return BigInt.asIntN(64, ns) === ns;
}

/** Calendar and clock at a local time. */
export function civilTime(localNs: bigint): CivilTime {
  const nanosecond = Number(((localNs % nsPerSecond) + nsPerSecond) % nsPerSecond);
  const date = new Date(Number((localNs - BigInt(nanosecond)) / nsPerMillisecond));
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nanosecond,
    weekday: date.getUTCDay(),
  };
}

/** The local time at which a calendar shows this; months, days and so on may be out of their range and carry over. */
export function localNsOf(civil: Omit<CivilTime, "weekday">): bigint | undefined {
  const date = new Date(0);
  date.setUTCFullYear(civil.year, civil.month - 1, civil.day);
  date.setUTCHours(civil.hour, civil.minute, civil.second);
  const ms = date.getTime();
  return Number.isNaN(ms) ? undefined : BigInt(ms) * nsPerMillisecond + BigInt(civil.nanosecond);
}

/** Number of days of a month. */
export function daysInMonth(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}

/** A time zone. */
export interface Zone {
  /** Seconds east of UTC at a point in time. */
  readonly offsetAt: (ns: bigint) => number;
  /** Abbreviation in use at a point in time, such as "CET" or "UTC". */
  readonly nameAt: (ns: bigint) => string;
}

export const utc: Zone = { offsetAt: () => 0, nameAt: () => "UTC" };

/** The zone of the IANA name; "" and "Local" are UTC. Undefined for an unknown name. */
export function findZone(name: string): Zone | undefined {
  if (name === "" || name === "UTC" || name === "Local") return utc;
  // Names only, as in Go: Intl would also take offsets such as "+01:00".
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
  try {
    const offsets = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    const names = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "short" });
    return {
      offsetAt: (ns) => parseOffset(zonePart(offsets, ns)),
      nameAt: (ns) => zonePart(names, ns),
    };
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

function zonePart(format: Intl.DateTimeFormat, ns: bigint): string {
  const parts = format.formatToParts(Number(ns / nsPerMillisecond));
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

/** "GMT-05:00" → -18000; "GMT" → 0. */
function parseOffset(text: string): number {
  const match = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text);
  if (match === null) return 0;
  const [, sign, hours, minutes, seconds = "0"] = match;
  const magnitude = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -magnitude : magnitude;
}

/** The local time in a zone at a point in time. */
export function toLocal(ns: bigint, zone: Zone): bigint {
  return ns + BigInt(zone.offsetAt(ns)) * nsPerSecond;
}

/** The point in time at which a zone's clocks show a local time; of two the earlier offset counts, as in Go. */
export function fromLocal(localNs: bigint, zone: Zone): bigint {
  const guess = localNs - BigInt(zone.offsetAt(localNs)) * nsPerSecond;
  return localNs - BigInt(zone.offsetAt(guess)) * nsPerSecond;
}
