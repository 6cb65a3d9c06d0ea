import { describe, expect, test } from "vitest";
import { RegoLimitError } from "../../../guest/rego/errors.ts";
import type { Value } from "../../../guest/rego/value.ts";
import { call, callIn, createContext, object, value } from "./call.ts";

const long = "a".repeat(1_000_000);
const many: Value = Array.from({ length: 1000 }, () => long);

describe("no call grows without end: it is charged, or refused", () => {
  test.each<[string, ...Value[]]>([
    ["numbers.range", 0, 10 ** 12],
    ["numbers.range", 0, 10n ** 30n],
    ["concat", long, many],
    ["replace", long, "a", long],
    ["replace", long, "", long],
    ["strings.replace_n", object(["a", long]), long],
    ["split", long, ""],
    ["sprintf", "%s".repeat(1000), many],
    ["json.unmarshal", `[${"1,".repeat(3_000_000)}1]`],
    ["graph.reachable_paths", completeGraph(12), ["n0"]],
  ])("%s", (name, ...operands) => {
    expect(() => callIn(createContext(100_000), name, ...operands)).toThrow(RegoLimitError);
  });

  test.each<[string, string, ...Value[]]>([
    ["bits.lsh", "shift by more than", 1, 10 ** 9],
    ["net.cidr_expand", "more than 65536 addresses", "10.0.0.0/8"],
    ["json.unmarshal", "nested more than", "[".repeat(100_000)],
    ["yaml.unmarshal", "yaml.unmarshal", "[".repeat(100_000)],
    ["units.parse", "exponent is too large", "1e999999999"],
    ["to_number", "digits", `1${"0".repeat(100_000)}`],
    ["to_number", "not a number", `${"0".repeat(1_000_000)}x`],
    ["graphql.parse_query", "graphql.parse_query", "{a".repeat(50_000)],
    ["graphql.parse_query", "graphql.parse_query", `{${"a ".repeat(50_000)}}`],
    ["semver.compare", "not a valid SemVer", `1.2.3-${"a.".repeat(100_000)}`, "1.0.0"],
  ])("%s is refused with %s", (name, words, ...operands) => {
    expect(() => call(name, ...operands)).toThrow(words);
  });

  test("sprintf takes no width that the host could blow up with", () => {
    expect(call("sprintf", "%*d", [10 ** 9, 1])).toBe("%!(BADWIDTH)1");
    expect(() => callIn(createContext(1000), "sprintf", "%999999d", [1])).toThrow(RegoLimitError);
  });

  test("anchors of YAML can't multiply a document", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 12; level++) {
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ")}]`);
    }
    expect(() => callIn(createContext(1_000_000), "yaml.unmarshal", lines.join("\n"))).toThrow(RegoLimitError);
  });
});

describe("threat 15: regular expressions from built-ins", () => {
  test("a match that is too expensive ends the evaluation; it is never just undefined, or `not` would hold", () => {
    expect(() => call("regex.find_n", "a.*b|a", long, -1)).toThrow(RegoLimitError);
    expect(() => callIn(createContext(1000), "regex.match", "(.*)(.*)[xy]", long)).toThrow(RegoLimitError);
  });

  test("a malformed pattern is a built-in error", () => {
    expect(() => call("regex.match", "(", "a")).toThrow("error parsing regexp: missing closing ): `(`");
    expect(call("regex.is_valid", "(")).toBe(false);
    expect(call("regex.is_valid", 1)).toBe(false);
  });
});

function completeGraph(size: number): Value {
  const names = Array.from({ length: size }, (_, index) => `n${index}`);
  return value(Object.fromEntries(names.map((name) => [name, names])));
}
