/** Random policies and inputs that are small, mostly valid, and touch every part of the language. */
import * as fc from "fast-check";
import type { JsonInput } from "../../../guest/rego/index.ts";

/** Literals over the variables a, b, c; most bodies made of them are safe in some order. */
const literals: readonly string[] = [
  "a = input.xs[_]",
  "b = input.xs[a]",
  "c = input.o[_]",
  "b = a + 1",
  "a > 1",
  "a != b",
  "not a == 2",
  "not helper(a)",
  "helper(a)",
  "b = doubled(a)",
  "c = [x | x = input.xs[_]; x > a]",
  "count(c) > 0",
  "every e in input.xs { e >= 0 }",
  "every k, v in input.o { v != a; k != `z` }",
  "b in {1, 2, 3}",
  "a in input.xs",
  'startswith(input.s, "a")',
  'regex.match("^a+$", input.s)',
  "[a, b] = input.pairs[_]",
  '{"k": a} = input.objects[_]',
  "a = constants[_]",
  "constants[b] == a",
  "a == table[_].value",
  "some row in table; row.value == a",
  "members[a]",
  "b = keyed[a]",
  "input.none",
  "input.s == data.s",
  "b = count(members) with input.xs as [7, 8]",
  "x = 1 with input as {}",
  "b = to_number(input.s)",
  "walk(input.o, [_, b])",
  'print("seen", input.xs)',
];

const helpers = `
constants := [1, 2, 3, 5, 8, 13, 21, 34, 55, 2]
table := [{"value": n, "name": sprintf("n%d", [n])} | some n in constants]
helper(v) if v > 2
helper(v) if { some n in constants; n == v; n < 2 }
doubled(v) := v * 2 if v > 1
doubled(v) := v + v if v < 10
members contains m if { some m in input.xs; m > 0 }
keyed[k] := k + 1 if some k in input.xs
`;

/** Literals that give the head's variables a value: most bodies have them, wherever they stand. */
const binding = fc.oneof(
  { weight: 5, arbitrary: fc.constant(["a = input.xs[_]", "b = a + 1"]) },
  { weight: 2, arbitrary: fc.constant(["[a, b] = input.pairs[_]"]) },
  { weight: 2, arbitrary: fc.constant(["a = constants[_]", "b = keyed[a]"]) },
  { weight: 1, arbitrary: fc.constant([]) },
);

/** A body as a list of literals, without duplicates. */
export const body: fc.Arbitrary<readonly string[]> = fc
  .tuple(binding, fc.uniqueArray(fc.constantFrom(...literals), { minLength: 1, maxLength: 4 }))
  .map(([bound, others]) => [...new Set([...bound, ...others])])
  .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));

const headForms = ["p if", "p := a if", "p := 7 if", "p contains a if", "p[a] := b if", "p := [a, b] if"] as const;

/** One rule form with several bodies. */
export const rule: fc.Arbitrary<{ readonly head: string; readonly bodies: readonly (readonly string[])[] }> = fc.record(
  {
    head: fc.constantFrom(...headForms),
    bodies: fc.array(body, { minLength: 1, maxLength: 3 }),
  },
);

/** The module's text. */
export function moduleText(head: string, bodies: readonly (readonly string[])[]): string {
  const rules = bodies.map((literalsOfBody) => `${head} {\n  ${literalsOfBody.join("\n  ")}\n}`);
  return `package t\nimport rego.v1\n${rules.join("\n")}\n${helpers}`;
}

const small = fc.integer({ min: 0, max: 6 });

/** An input with the fields that the literals look at, some of them missing. */
export const input: fc.Arbitrary<JsonInput> = fc.record(
  {
    xs: fc.array(small, { maxLength: 12 }),
    o: fc.dictionary(fc.constantFrom("x", "y", "z"), small),
    s: fc.constantFrom("a", "aa", "b", "3"),
    pairs: fc.array(fc.array(small, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    objects: fc.array(fc.record({ k: small, extra: small }, { requiredKeys: ["k"] }), { maxLength: 3 }),
  },
  { requiredKeys: ["xs"] },
);
