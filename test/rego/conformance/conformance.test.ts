import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseResult, runCase } from "../../../guest/rego/conformance.ts";
import { notPassed } from "./not-passed.ts";

const folder = join(import.meta.dirname, "../../../../shared/rego-cases");
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".jsonl")) : [];
if (files.length === 0) {
  console.warn(`conformance cases skipped: ${folder} is not there`);
}

describe.skipIf(files.length === 0)("conformance", () => {
  const results: CaseResult[] = [];

  test.each(files)("%s: all pass but those on the list", { timeout: 60_000 }, async (file) => {
    const lines = readFileSync(join(folder, file), "utf8").trim().split("\n");
    const now = BigInt(Date.now()) * 1_000_000n;
    const ran = await Promise.all(lines.map((line) => runCase(line, now)));
    results.push(...ran);
    const unexpected = ran.filter(({ id, passed }) => passed === notPassed.has(id));
    // A listed case that passes has to leave the list; an unlisted one that fails is a fault.
    expect(unexpected).toEqual([]);
  });

  test("every case on the list exists", () => {
    const known = new Set(results.map(({ id }) => id));
    expect([...notPassed.keys()].filter((id) => !known.has(id))).toEqual([]);
  });

  test.each([
    ["must", 0.99],
    ["should", 0.99],
    ["may", 0.9],
  ])("tier %s passes at least %d", (tier, share) => {
    const ofTier = results.filter((result) => result.tier === tier);
    expect(ofTier.filter(({ passed }) => passed).length / ofTier.length).toBeGreaterThanOrEqual(share);
  });
});
