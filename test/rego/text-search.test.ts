import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { indexOfText, occurrences, splitText } from "../../guest/rego/text-search.ts";
import type { Value } from "../../guest/rego/value.ts";
import { call } from "./builtins/call.ts";

const repetitive = (maxLength: number) =>
  fc.array(fc.constantFrom("a", "ab", "aab", "😀"), { maxLength }).map((parts) => parts.join(""));
const text = repetitive(40).map((part) => part.repeat(8));
const part = fc.oneof(repetitive(3), repetitive(30), text).filter((candidate) => candidate !== "");

test("the search gives what the runtime's own gives", () => {
  fc.assert(
    fc.property(text, part, fc.nat(50), (subject, sought, from) => {
      expect(indexOfText(subject, sought, from)).toBe(subject.indexOf(sought, from));
      expect(splitText(subject, sought)).toEqual(subject.split(sought));
    }),
    { numRuns: 1000 },
  );
});

test("overlapping places count", () => {
  expect([...occurrences("aaaa", "aa")]).toEqual([0, 1, 2]);
  expect([...occurrences("a", "aa")]).toEqual([]);
});

describe("threat 13: the host can't choose texts that are searched for ever", () => {
  // The runtime's search compares nearly all of the part at nearly every place: minutes, far above any test's time.
  const long = "a".repeat(1_000_000);
  const sought = `ab${"a".repeat(60_000)}`;

  test.each<[string, Value, ...string[]]>([
    ["contains", false, long, sought],
    ["split", [long], long, sought],
    ["replace", long, long, sought, ""],
    ["indexof", -1, long, sought],
    ["indexof_n", [], long, sought],
    ["strings.count", 0, long, sought],
    // A pattern may not be longer.
    ["regex.match", false, sought.slice(0, 1900), long],
    ["regex.match", false, `[b-z]${sought.slice(0, 1900)}[b-z]`, long],
    ["regex.split", [long], sought.slice(0, 1900), long],
  ])("%s", { timeout: 20_000 }, (name, expected, ...operands) => {
    expect(call(name, ...operands)).toEqual(expected);
  });

  test("a part that is everywhere", () => {
    expect(call("indexof_n", "a".repeat(20_000), "a".repeat(10_000))).toHaveLength(10_001);
    expect(call("strings.count", "a".repeat(20_000), "a".repeat(10_000))).toBe(2);
  });
});
