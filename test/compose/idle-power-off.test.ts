import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { endWhenIdle } from "../../guest/compose/agent/idle-power-off.ts";
import { Scope } from "../../guest/core/scope.ts";

const minuteMs = 60_000;

describe("N10: an agent without a worker", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("ends after the time that is configured, once, though nobody ever came", () => {
    const end = vi.fn();
    endWhenIdle(3, end, new Scope());
    vi.advanceTimersByTime(3 * minuteMs - 1);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(10 * minuteMs);
    expect(end).toHaveBeenCalledOnce();
  });

  test("goes on as long as one is connected, however long that is", () => {
    const end = vi.fn();
    const onConnections = endWhenIdle(1, end, new Scope());
    onConnections(2);
    onConnections(1);
    vi.advanceTimersByTime(100_000 * minuteMs);
    expect(end).not.toHaveBeenCalled();
  });

  test("gets the whole time anew when the last one goes", () => {
    const end = vi.fn();
    const onConnections = endWhenIdle(2, end, new Scope());
    vi.advanceTimersByTime(1.9 * minuteMs);
    onConnections(1);
    vi.advanceTimersByTime(0.5 * minuteMs);
    onConnections(0);
    vi.advanceTimersByTime(2 * minuteMs - 1);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(end).toHaveBeenCalledOnce();
  });

  test("waits for ever by default", () => {
    const end = vi.fn();
    endWhenIdle(0, end, new Scope());
    expect(vi.getTimerCount()).toBe(0);
  });

  test("stops counting when it ends for another reason", async () => {
    const scope = new Scope();
    endWhenIdle(1, () => {}, scope);
    await scope.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
