import { describe, expect, test } from "vitest";
import { compileRegex, RegexLimitError, StepCounter } from "../../../guest/rego/regex/index.ts";

const megabyte = "a".repeat(1024 * 1024);

describe("threat 15: hostile subjects cost work that grows with their length only", () => {
  test.each([
    "^(a+)+$",
    "^(a|a)*$",
    "^(a|aa)+$",
    "(.*)(.*)(.*)(.*)(.*)[^a!]",
    "(?:a?){500}a{500}b",
    "^(?:[a-z]+\\.?)+@",
    "\\b(\\w+\\s*)+:$",
  ])("%s on a megabyte", (pattern) => {
    const steps = new StepCounter();
    expect(compileRegex(pattern).test(`${megabyte}!`, steps)).toBe(false);
    // A backtracking engine would need a number of steps with thousands of digits.
    expect(steps.spent).toBeLessThan(2_000_000);
  });

  test("states of the automaton are dropped, not gathered", () => {
    // Every window of 16 characters is a state of its own: 65,536 of them, more than are kept.
    const regex = compileRegex("a[ab]{15}c");
    let subject = "";
    let seed = 1;
    for (let index = 0; index < 100_000; index++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      subject += (seed & 0x10000) === 0 ? "a" : "b";
    }
    expect(regex.test(subject)).toBe(false);
    expect(regex.test(`${subject}a${"b".repeat(15)}c`)).toBe(true);
  });
});

test("threat 15: a search that would take the square of the subject stops with an error, not with an answer", () => {
  const regex = compileRegex("a.*b|a");
  expect(() => regex.findAll(megabyte, -1, new StepCounter(200_000))).toThrow(RegexLimitError);
  expect(() => regex.replaceAll(megabyte, "", new StepCounter(200_000))).toThrow(RegexLimitError);
  expect(() => regex.split(megabyte, new StepCounter(200_000))).toThrow(RegexLimitError);
});

test("threat 15: replacements are charged by what they insert", () => {
  const template = "$0".repeat(10_000);
  expect(() => compileRegex("a").replaceAll(megabyte, template)).toThrow(RegexLimitError);
});

test("lone surrogates are code points of their own", () => {
  expect(compileRegex("^.$").test("\ud83d")).toBe(true);
  expect(compileRegex("^[^a]b$").test("\ude00b")).toBe(true);
  expect(compileRegex("").findAll("\ud83da", -1)).toHaveLength(3);
});
