import { describe, expect, test } from "vitest";
import { createLog, type LogFields, type LogLevel } from "../../guest/core/log.ts";

/** The only line that a log writes for a message with these fields. */
function lineOf(fields: LogFields): unknown {
  const lines: string[] = [];
  createLog(
    (line) => lines.push(line),
    "info",
    () => 0,
  ).info("it happened", fields);
  expect(lines).toEqual([expect.stringMatching(/^[^\n]+\n$/)]);
  const { time, level, message, ...rest } = JSON.parse(lines.join(""));
  expect({ time, level, message }).toEqual({ time: "1970-01-01T00:00:00.000Z", level: "info", message: "it happened" });
  return rest;
}

describe("a line of the log", () => {
  test("tells an error by its messages, and a number of any size", () => {
    const error = new Error("no port", { cause: new Error("EADDRINUSE") });
    expect(lineOf({ error, bytes: 2n ** 64n })).toEqual({
      error: "no port: EADDRINUSE",
      bytes: "18446744073709551616",
    });
  });

  test.each([
    ["an array of bytes", new TextEncoder().encode("SECRET")],
    ["a Buffer", Buffer.from("SECRET")],
  ])("threat 74: has the length of %s, never its content", (_name, bytes) => {
    expect(lineOf({ bytes, within: { bytes } })).toEqual({ bytes: "6 bytes", within: { bytes: "6 bytes" } });
  });

  test("cuts what hosts make long, and escapes what would begin another line", () => {
    expect(lineOf({ name: "x".repeat(5000) })).toEqual({ name: `${"x".repeat(4096)}…` });
    expect(lineOf({ name: "a\nb" })).toEqual({ name: "a\nb" });
  });
});

test("a log writes what is at least as important as its level", () => {
  const written = (level: LogLevel): string[] => {
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line), level);
    for (const each of ["error", "warn", "info", "debug"] as const) log[each]("x");
    expect(log.debugEnabled).toBe(level === "debug");
    return lines.map((line) => JSON.parse(line).level);
  };
  expect(written("error")).toEqual(["error"]);
  expect(written("info")).toEqual(["error", "warn", "info"]);
  expect(written("debug")).toEqual(["error", "warn", "info", "debug"]);
});

test("a log with fixed fields has them in every line", () => {
  const lines: string[] = [];
  createLog((line) => lines.push(line))
    .with({ daemon: "hub" })
    .with({ pod: 1 })
    .info("x", { more: true });
  expect(JSON.parse(lines.join(""))).toMatchObject({ daemon: "hub", pod: 1, more: true });
});
