import fc from "fast-check";
import { expect, test } from "vitest";
import { compileRegex } from "../../../guest/rego/regex/index.ts";

/** Pieces that mean the same to RE2 and to JavaScript with the flags `u` and `s`. */
const atom = fc.constantFrom(
  "a",
  "b",
  "ab",
  "c",
  "😀",
  "[a-c]",
  "[^b]",
  "[b😀]",
  "\\d",
  "\\w",
  ".",
  "(?:)",
  "\\.",
  "-",
);
// Without \\B: V8 finds it inside surrogate pairs too.
const anchors = ["^", "$", "\\b"];
const quantifier = fc.constantFrom("", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}");

function patternsWith(assertions: readonly string[]): fc.Arbitrary<string> {
  return fc.letrec<{ pattern: string; branch: string; piece: string }>((tie) => ({
    piece: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.tuple(atom, quantifier).map(([body, count]) => (body.length > 1 ? `(?:${body})${count}` : body + count)),
      fc.constantFrom(...assertions),
      tie("pattern").map((body) => `(?:${body})`),
    ),
    branch: fc.array(tie("piece"), { maxLength: 4 }).map((pieces) => pieces.join("")),
    pattern: fc.array(tie("branch"), { minLength: 1, maxLength: 3 }).map((branches) => branches.join("|")),
  })).pattern;
}

const pattern = patternsWith(anchors);
// V8 14 finds no match of `.+?b^|` in "a" with the flag `s`, although the second branch is empty: `^` comes first here.
const comparable = fc
  .tuple(fc.constantFrom("", "", "^"), patternsWith(anchors.filter((anchor) => anchor !== "^")))
  .map(([start, rest]) => (start === "" ? rest : `^(?:${rest})`));

const subject = fc
  .array(fc.constantFrom("a", "b", "c", "d", "1", "-", ".", "😀", " "), { maxLength: 10 })
  .map((parts) => parts.join(""));

test("test agrees with JavaScript's engine where the dialects are the same", () => {
  fc.assert(
    fc.property(comparable, subject, (text, input) => {
      expect(compileRegex(text).test(input)).toBe(new RegExp(text, "us").test(input));
    }),
    { numRuns: 600 },
  );
});

test("the automaton and the thread machine agree on whether there is a match", () => {
  fc.assert(
    fc.property(pattern, subject, (text, input) => {
      const regex = compileRegex(text);
      expect(regex.find(input) !== undefined).toBe(regex.test(input));
    }),
    { numRuns: 400 },
  );
});

test("the backtracker that answers first and the automaton that takes over give the same answer", () => {
  fc.assert(
    fc.property(pattern, fc.array(subject, { minLength: 1, maxLength: 4 }), (text, inputs) => {
      const asked = compileRegex(text);
      for (let round = 0; round < 200; round++) asked.test("abc1-. 😀".repeat(4));
      for (const input of inputs) expect(asked.test(input)).toBe(compileRegex(text).test(input));
    }),
    { numRuns: 150 },
  );
});

test("find gives the text and the groups that JavaScript's engine gives", () => {
  fc.assert(
    fc.property(comparable, comparable, subject, (first, second, input) => {
      const text = `(${first})|(${second})`;
      const expected = new RegExp(text, "us").exec(input);
      const groups = expected === null ? undefined : Array.from(expected, (group) => group ?? "");
      expect(compileRegex(text).find(input)).toEqual(groups);
    }),
    { numRuns: 400 },
  );
});

test("a compiled pattern keeps no memory of the subjects before", () => {
  fc.assert(
    fc.property(pattern, fc.array(subject, { maxLength: 6 }), (text, inputs) => {
      const shared = compileRegex(text);
      for (const input of inputs) expect(shared.test(input)).toBe(compileRegex(text).test(input));
    }),
    { numRuns: 300 },
  );
});

test("matches, and what is between them, make up the subject again", () => {
  fc.assert(
    fc.property(pattern, subject, (text, input) => {
      expect(compileRegex(`(?:${text})`).replaceAll(input, "$0")).toBe(input);
    }),
    { numRuns: 200 },
  );
});

test("threat 15: any text is a pattern or a syntax error, and any pattern answers", () => {
  const noise = fc.array(
    fc.oneof(fc.constantFrom(..."()[]{}|*+?^$\\.-,:<>PpQEimsU1029abé😀"), fc.string({ maxLength: 2, unit: "binary" })),
    { maxLength: 24 },
  );
  fc.assert(
    fc.property(noise, subject, (parts, input) => {
      try {
        expect(typeof compileRegex(parts.join("")).test(input)).toBe("boolean");
      } catch (error) {
        expect(error).toHaveProperty("name", "RegexSyntaxError");
      }
    }),
    { numRuns: 600 },
  );
});
