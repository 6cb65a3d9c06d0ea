import { describe, expect, test } from "vitest";
import { orAborted } from "../../guest/core/or-aborted.ts";

describe("waiting for a promise or a signal", () => {
  test("gives what comes first", async () => {
    const { signal } = new AbortController();
    await expect(orAborted(Promise.resolve(7), signal)).resolves.toBe(7);
    await expect(orAborted(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
  });

  test("ends with the signal's reason, before and while it waits", async () => {
    const stop = new AbortController();
    const waiting = orAborted(new Promise(() => {}), stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    await expect(orAborted(new Promise(() => {}), stop.signal)).rejects.toThrow("stopped");
  });

  test("a promise that fails after the signal is nobody's unhandled rejection", async () => {
    const stop = new AbortController();
    const { promise, reject } = Promise.withResolvers<void>();
    const waiting = orAborted(promise, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    reject(new Error("too late"));
    await expect(orAborted(Promise.reject(new Error("never looked at")), stop.signal)).rejects.toThrow("stopped");
  });
});
