import { expect, test } from "vitest";
import { describeFailure, GuestError } from "../../guest/core/errors.ts";

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

test("of several failures each is described", () => {
  const refused = new Error("connect ECONNREFUSED ::1:80");
  const nested = new AggregateError([refused, new Error("no route", { cause: "EHOSTUNREACH" })], "");
  expect(describeFailure(new Error("can't connect", { cause: nested }))).toBe(
    "can't connect: connect ECONNREFUSED ::1:80, no route: EHOSTUNREACH",
  );
});

test("the path that a failure is about is told once: its own message leaves it out, since peers may get that", () => {
  const inner = new GuestError("internal", "ENOENT: No such file", { fields: { call: "open", path: "/run/x" } });
  expect(describeFailure(inner)).toBe("ENOENT: No such file (/run/x)");
  expect(describeFailure(new Error("no policy", { cause: inner }))).toBe("no policy: ENOENT: No such file (/run/x)");
  expect(describeFailure(new Error("/run/x can't be read", { cause: inner }))).toBe(
    "/run/x can't be read: ENOENT: No such file",
  );
});

test("several failures that an outer message has named are not told twice", () => {
  const both = new AggregateError([new Error("refused"), new Error("refused"), new Error("no route")], "");
  expect(describeFailure(new Error("can't connect: refused, no route", { cause: both }))).toBe(
    "can't connect: refused, no route",
  );
});

test("failures that hold themselves come to an end", () => {
  const failure = new AggregateError([], "all failed");
  failure.errors.push(failure, failure);
  expect(describeFailure(failure)).toBe("all failed");
});
