import { describe, expect, test } from "vitest";
import { compileRegex } from "../../../guest/rego/regex/index.ts";

describe("find", () => {
  test("prefers the leftmost match, and of those the one that a backtracking engine would find first", () => {
    expect(compileRegex("a|ab").find("xab")).toEqual(["a"]);
    expect(compileRegex("(a|ab)(c|bcd)(d*)").find("abcd")).toEqual(["abcd", "a", "bcd", ""]);
    expect(compileRegex("a+?").find("aaa")).toEqual(["a"]);
    expect(compileRegex("(?U)a+").find("aaa")).toEqual(["a"]);
    expect(compileRegex("(?U)a+?").find("aaa")).toEqual(["aaa"]);
    expect(compileRegex("(a*)+").find("b")).toEqual(["", ""]);
    expect(compileRegex("(|a)+").find("aa")).toEqual(["", ""]);
  });

  test("a group that took no part is empty", () => {
    expect(compileRegex("a(x)?b").find("ab")).toEqual(["ab", ""]);
    expect(compileRegex("x").find("ab")).toBeUndefined();
  });

  test("finds successive matches, without an empty one right after another", () => {
    expect(compileRegex("a*").findAll("baab", -1)).toEqual([[""], ["aa"], [""]]);
    expect(compileRegex("").findAll("a😀", -1)).toEqual([[""], [""], [""]]);
    expect(compileRegex("a").findAll("aaa", 2)).toEqual([["a"], ["a"]]);
    expect(compileRegex("a").findAll("aaa", 0)).toEqual([]);
    expect(compileRegex("^a").findAll("aaa", -1)).toEqual([["a"]]);
    expect(compileRegex("\\bb").findAll("ab b", -1)).toEqual([["b"]]);
  });
});

describe("replaceAll", () => {
  test("inserts groups as Go's templates say", () => {
    const regex = compileRegex("(?P<first>\\w)(\\w)");
    expect(regex.replaceAll("ab cd", "$2$1")).toBe("ba dc");
    expect(regex.replaceAll("ab", "${first}x")).toBe("ax");
    expect(regex.replaceAll("ab", "$firstx")).toBe("");
    expect(regex.replaceAll("ab", "$1x")).toBe("");
    expect(regex.replaceAll("ab", "${1}x$$")).toBe("ax$");
    expect(regex.replaceAll("ab", "$9${nope}$")).toBe("$");
    // Of several groups of one name the first that took part counts.
    expect(compileRegex("(?P<n>a)|(?P<n>b)").replaceAll("ab", "<$n>")).toBe("<a><b>");
  });

  test("replaces empty matches between code points", () => {
    expect(compileRegex("").replaceAll("a😀", "-")).toBe("-a-😀-");
    expect(compileRegex("a*").replaceAll("baab", "-")).toBe("-b-b-");
  });
});

test("split cuts at matches", () => {
  expect(compileRegex(",").split("a,b,,c")).toEqual(["a", "b", "", "c"]);
  expect(compileRegex("").split("a😀b")).toEqual(["a", "😀", "b"]);
  expect(compileRegex("x").split("")).toEqual([""]);
  expect(compileRegex("^[a-z]+").split("foobar baz")).toEqual(["", " baz"]);
  expect(compileRegex("a").split("banana")).toEqual(["b", "n", "n", ""]);
});
