import { expect, test } from "vitest";
import { describeFailure } from "../../guest/core/errors.ts";
import { Scope } from "../../guest/core/scope.ts";

test("a scope closes in the reverse order, once, each after the one before has come to its end", async () => {
  const scope = new Scope();
  const closed: string[] = [];
  scope.add("first", () => void closed.push("first"));
  scope.add("second", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    closed.push("second");
  });
  expect(scope.signal.aborted).toBe(false);
  const closing = scope.close();
  expect(scope.signal.aborted).toBe(true);
  expect(scope.close()).toBe(closing);
  await closing;
  expect(closed).toEqual(["second", "first"]);
});

test("what can't be closed is named in the end, and keeps nothing else open", async () => {
  const scope = new Scope();
  let isClosed = false;
  scope.add("port", () => {
    isClosed = true;
  });
  scope.add("mount", () => Promise.reject(new Error("EBUSY")));
  scope.add("disk", () => {
    throw new Error("EIO");
  });
  const failure: unknown = await scope.close().catch((error: unknown) => error);
  expect(isClosed).toBe(true);
  expect(describeFailure(failure)).toBe(
    "not everything could be closed: closing disk failed: EIO, closing mount failed: EBUSY",
  );
});

test("a scope that closes takes nothing more", async () => {
  const scope = new Scope();
  await scope.close();
  expect(() => scope.add("port", () => {})).toThrow("scope is closed, cannot take port");
});
