import { describe, expect, test } from "vitest";
import { compileRegex, RegexSyntaxError } from "../../../guest/rego/regex/index.ts";

/** Patterns that RE2 refuses, with the words it does so in (Go 1.26). */
const refused: readonly (readonly [string, string])[] = [
  ["[a", "missing closing ]: `[a`"],
  ["[]", "missing closing ]: `[]`"],
  ["[a-", "missing closing ]: `[a-`"],
  ["a)", "unexpected ): `a)`"],
  ["(a", "missing closing ): `(a`"],
  ["(?", "invalid or unsupported Perl syntax: `(?`"],
  ["(?i", "missing closing ): `(?i`"],
  ["(?=a)", "invalid or unsupported Perl syntax: `(?=`"],
  ["(?!a)", "invalid or unsupported Perl syntax: `(?!`"],
  ["(?<=a)b", "invalid named capture: `(?<=a)b`"],
  ["(?x)a", "invalid or unsupported Perl syntax: `(?x`"],
  ["(?P<n", "invalid named capture: `(?P<n`"],
  ["(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"],
  ["*a", "missing argument to repetition operator: `*`"],
  ["a|*", "missing argument to repetition operator: `*`"],
  ["a**", "invalid nested repetition operator: `**`"],
  ["a++", "invalid nested repetition operator: `++`"],
  ["a{2}{3}", "invalid nested repetition operator: `{2}{3}`"],
  ["a{1001}", "invalid repeat count: `{1001}`"],
  ["a{3,2}", "invalid repeat count: `{3,2}`"],
  ["((a{100}){10}){2}", "invalid repeat count: `{2}`"],
  ["\\", "trailing backslash at end of expression: ``"],
  ["\\1", "invalid escape sequence: `\\1`"],
  ["\\8", "invalid escape sequence: `\\8`"],
  ["\\y", "invalid escape sequence: `\\y`"],
  ["\\u0041", "invalid escape sequence: `\\u`"],
  ["\\x{110000}", "invalid escape sequence: `\\x{110000}`"],
  ["[\\b]", "invalid escape sequence: `\\b`"],
  ["[b-a]", "invalid character class range: `b-a`"],
  ["[a-\\d]", "invalid escape sequence: `\\d`"],
  ["[[:foo:]]", "invalid character class range: `[:foo:]`"],
  ["\\p{Zzz}", "invalid character class range: `\\p{Zzz}`"],
  ["\\p{Grek}", "invalid character class range: `\\p{Grek}`"],
  ["\\p{__proto__}", "invalid character class range: `\\p{__proto__}`"],
  ["\\p{constructor}", "invalid character class range: `\\p{constructor}`"],
];

describe("patterns that RE2 refuses", () => {
  test.each(refused)("threat 15: %s is an error in RE2's words", (pattern, words) => {
    expect(() => compileRegex(pattern)).toThrow(RegexSyntaxError);
    expect(() => compileRegex(pattern)).toThrow(`error parsing regexp: ${words}`);
  });
});

/** Patterns that other dialects read differently: pattern, subject, whether RE2 matches. */
const dialect: readonly (readonly [string, string, boolean])[] = [
  ["^a$", "a\n", false],
  ["(?m)^b$", "a\nb\nc", true],
  ["^.$", "\r", true],
  ["^.$", "\u2028", true],
  ["^.$", "\n", false],
  ["(?s)^.$", "\n", true],
  ["^.$", "😀", true],
  ["^..$", "😀", false],
  ["^[😀-😂]$", "😁", true],
  ["^\\d$", "٣", false],
  ["^\\w$", "é", false],
  ["^\\s$", "\v", false],
  ["^[[:space:]]$", "\v", true],
  ["^[[:^alpha:]x]+$", "1x2", true],
  ["é\\b", "é", false],
  ["(?i)^k$", "\u212a", true],
  ["(?i)^[^k]$", "\u212a", false],
  ["(?i)^i$", "\u0130", false],
  ["(?i)^ß$", "ẞ", true],
  ["(?i)^(σ)$", "ς", true],
  ["(?i)^\\w$", "ſ", true],
  ["(?i)^\\W$", "ſ", false],
  ["(?i)^[\\W]$", "s", false],
  ["(?i)^[^\\W]$", "ſ", true],
  ["(?i)^[[:word:]]$", "\u212a", true],
  ["(?i)^[[:^word:]]$", "s", false],
  ["(?i)a(?-i)b", "AB", false],
  ["(?i:a)b", "AB", false],
  ["^\\pL+$", "aé漢", true],
  ["^\\p{Greek}$", "λ", true],
  ["^\\p{^Greek}$", "λ", false],
  ["^\\PL$", "1", true],
  ["^\\Qa.b*\\E$", "a.b*", true],
  ["^\\Qab\\E+$", "abb", true],
  ["^abc(?i)*$", "ab", true],
  ["^abc(?i)*$", "", false],
  ["^ab\\Q\\E?$", "a", true],
  ["^(?P<n>a)(?P<n>b)$", "ab", true],
  ["\\Aa\\z", "a", true],
  ["^\\x{1F600}\\x41\\012$", "😀A\n", true],
  ["^a{,2}$", "a{,2}", true],
  ["^a{0}$", "", true],
  ["^[]a]+$", "]a", true],
  ["^[a\\]-]+$", "a]-", true],
  ["^[\\d-z]+$", "1-z", true],
  ["^\\_\\-\\/$", "_-/", true],
  ["(|a)*b", "aab", true],
  ["\\Bb", "ab", true],
  ["", "", true],
];

test.each(dialect)("threat 15: %s on %j: %s", (pattern, subject, matches) => {
  expect(compileRegex(pattern).test(subject)).toBe(matches);
});

test("threat 15: patterns and programs have a bounded size", () => {
  expect(() => compileRegex("a".repeat(65_537))).toThrow("expression too large");
  expect(() => compileRegex(`(${"a".repeat(60_000)}`)).toThrow(/^error parsing regexp: missing closing \): .{1,300}$/);
  expect(() => compileRegex(`${"(?:".repeat(1001)}a${")".repeat(1001)}`)).toThrow("expression nests too deeply");
  expect(() => compileRegex("(?:[a-z]{500}){2}".repeat(30))).toThrow("expression too large");
  expect(() => compileRegex("()".repeat(1001))).toThrow("expression too large");
  expect(() => compileRegex("(((a)(b)(c)(d)(e)(f)(g)(h)(i)(j)){50}){20}")).toThrow("expression too large");
  // Reading each class anew would take longer than any test may.
  expect(() => compileRegex(`(?i)${"\\pL".repeat(21_000)}`)).toThrow("expression too large");
  expect(() => compileRegex(`(?i)${"[\\pL]".repeat(12_000)}`)).toThrow("expression too large");
  expect(() => compileRegex(`(?i)${"[\\x{0}-\\x{10ffff}]".repeat(3000)}`)).toThrow("expression too large");
  expect(compileRegex("a{1000}").test("a".repeat(1000))).toBe(true);
  expect(compileRegex("(?:){1000}").test("")).toBe(true);
});
