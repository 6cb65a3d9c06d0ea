import { expect, test } from "vitest";
import { describeFailure } from "../../guest/core/errors.ts";

test("a failure is described with its causes, outermost first, nothing twice", () => {
  const failure = new Error("port did not open: no certificate", {
    cause: new Error("no certificate", { cause: "EACCES" }),
  });
  expect(describeFailure(failure)).toBe("port did not open: no certificate: EACCES");
});

test("causes that go in a circle come to an end", () => {
  const first = new Error("first");
  first.cause = new Error("second", { cause: first });
  expect(describeFailure(first)).toBe("first: second");
});
