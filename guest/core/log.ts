import { describeFailure } from "./errors.ts";

/** How much a line matters: `error` needs a person, `warn` was handled, `info` marks the life cycle, `debug` is the rest. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Values beside a constant message. Never secrets or request bodies above `debug`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a part of the program reports what happens. Messages are constant; what varies goes into the fields. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** True when `debug` lines are written, so that costly fields need not be made for nothing. */
  readonly debugEnabled: boolean;
  /** A log whose lines all carry these fields, too. */
  with(fields: LogFields): Log;
}

const severity: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

/** Longest string that a field may bring into a line; hosts choose many of them. */
const maxFieldLength = 4096;

/**
 * A log that writes one JSON object a line.
 *
 * @param write takes a whole line, its newline included
 * @param level the least important level that is written
 * @param now milliseconds since the epoch; the system clock when absent
 */
export function createLog(write: (line: string) => void, level: LogLevel = "info", now: () => number = Date.now): Log {
  return logWith({});

  function logWith(fixed: LogFields): Log {
    const emit = (lineLevel: LogLevel, message: string, fields: LogFields = {}): void => {
      if (severity[lineLevel] > severity[level]) return;
      const line = { time: new Date(now()).toISOString(), level: lineLevel, message, ...fixed, ...fields };
      write(`${JSON.stringify(line, printable)}\n`);
    };
    return {
      error: (message, fields) => emit("error", message, fields),
      warn: (message, fields) => emit("warn", message, fields),
      info: (message, fields) => emit("info", message, fields),
      debug: (message, fields) => emit("debug", message, fields),
      debugEnabled: level === "debug",
      with: (fields) => logWith({ ...fixed, ...fields }),
    };
  }
}

/** A log that keeps nothing. */
export const silentLog: Log = createLog(() => {}, "error");

/** For JSON.stringify, which calls it with the object that holds the value as `this`. */
function printable(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  // By now a Buffer has turned itself into a list of its bytes.
  const original = this[key];
  if (original instanceof Uint8Array) return `${original.byteLength} bytes`;
  if (value instanceof Error) return describeFailure(value).slice(0, maxFieldLength);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string" && value.length > maxFieldLength) return `${value.slice(0, maxFieldLength)}…`;
  return value;
}
