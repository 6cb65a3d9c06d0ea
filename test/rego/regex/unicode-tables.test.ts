import { expect, test } from "vitest";
import { rangesContain } from "../../../guest/rego/regex/char-class.ts";
import { foldOrbit, foldRanges, unicodeClass } from "../../../guest/rego/regex/unicode.ts";
import { unicodeTables } from "../../../guest/rego/regex/unicode-tables.ts";

/** A stride that is prime to the layout of the blocks, so that every table is probed at many places. */
const probes = Array.from({ length: 0x110000 / 241 }, (_, index) => index * 241);

test("the tables say what Node's own Unicode data says", () => {
  for (const name of Object.keys(unicodeTables)) {
    const property = name !== "Yi" && name.length <= 2 ? `General_Category=${name}` : `Script=${name}`;
    // A script that this Node doesn't know would be a SyntaxError: the tables would be newer than it.
    const expected = new RegExp(`^\\p{${property}}$`, "u");
    const ranges = unicodeClass(name) ?? [];
    const differing = probes.filter((c) => rangesContain(ranges, c) !== expected.test(String.fromCodePoint(c)));
    expect(differing, name).toEqual([]);
  }
});

test("case folding is simple folding: no Turkic i, no folding to several characters", () => {
  expect(foldOrbit(0x4b)).toEqual([0x4b, 0x6b, 0x212a]);
  expect(foldOrbit(0x69)).toEqual([0x49, 0x69]);
  expect(foldOrbit(0x130)).toEqual([0x130]);
  expect(foldOrbit(0x131)).toEqual([0x131]);
  expect(foldOrbit(0xdf)).toEqual([0xdf, 0x1e9e]);
  expect(foldRanges([0x61, 0x62])).toEqual([0x41, 0x42, 0x61, 0x62]);
});

test("the classes that JavaScript doesn't have", () => {
  expect(unicodeClass("Any")).toEqual([0, 0x10ffff]);
  expect(rangesContain(unicodeClass("C") ?? [], 0x7f)).toBe(true);
  expect(rangesContain(unicodeClass("C") ?? [], 0x378)).toBe(false);
  expect(unicodeClass("Latin1")).toBeUndefined();
});
