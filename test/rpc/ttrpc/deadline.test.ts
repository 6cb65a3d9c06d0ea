import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startDeadline } from "../../../guest/rpc/ttrpc/deadline.ts";

const dayMs = 24 * 60 * 60 * 1000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("a deadline of part of a millisecond is one of a whole one", () => {
  const onExceeded = vi.fn();
  startDeadline(1n, onExceeded);
  expect(onExceeded).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onExceeded).toHaveBeenCalledTimes(1);
});

test("a deadline beyond what one timer can wait, 24 days, comes when it is due and not before", () => {
  const onExceeded = vi.fn();
  startDeadline(BigInt(60 * dayMs) * 1_000_000n, onExceeded);
  vi.advanceTimersByTime(60 * dayMs - 1);
  expect(onExceeded).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onExceeded).toHaveBeenCalledTimes(1);
});

test("a deadline that was stopped never comes", () => {
  const onExceeded = vi.fn();
  const stop = startDeadline(BigInt(60 * dayMs) * 1_000_000n, onExceeded);
  vi.advanceTimersByTime(30 * dayMs);
  stop();
  vi.advanceTimersByTime(60 * dayMs);
  expect(onExceeded).not.toHaveBeenCalled();
});
