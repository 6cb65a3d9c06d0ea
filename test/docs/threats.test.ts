import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const project = resolve(import.meta.dirname, "../..");
const lastRow = 141;

/** A line of docs/THREATS.md. */
interface Row {
  readonly number: number;
  readonly answer: string;
  /** Paths below the project. */
  readonly proofs: readonly string[];
}

const rows: readonly Row[] = readFileSync(join(project, "docs/THREATS.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, number, , answer, proof] = line.split("|").map((cell) => cell.trim());
    if (!/^\d+$/.test(number ?? "")) return [];
    const names = proof === "–" ? [] : (proof ?? "").split(", ");
    return [{ number: Number(number), answer: answer ?? "", proofs: names.map((name) => `test/${name}.test.ts`) }];
  });

/** Rows that the titles of a test file speak of: threat 51: …, threats 33, 34: …, or P2, threat 12: …. */
function rowsInTitles(file: string): ReadonlySet<number> {
  const text = readFileSync(join(project, file), "utf8");
  const titles = text.matchAll(/["'`](?:(?:scenario )?[A-Z]\d+, )*threats? (\d+(?:(?:,? and |, )(?:threats? )?\d+)*)/g);
  return new Set([...titles].flatMap(([, list = ""]) => list.match(/\d+/g) ?? []).map(Number));
}

test("docs/THREATS.md has every row once, in order", () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: lastRow }, (_, index) => index + 1));
});

test.each([...rows])("row $number is proven where it says, or says openly that it isn't", (row) => {
  const { number, answer, proofs } = row;
  if (proofs.length === 0) expect(answer).toMatch(/^(not built|residual|review)/);
  for (const file of proofs) {
    expect(existsSync(join(project, file)), file).toBe(true);
    expect([...rowsInTitles(file)], file).toContain(number);
  }
});

test("no row says that it is not proven while a test proves it, and no title names a row that isn't there", () => {
  const files = readdirSync(join(project, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join("test", name));
  const titled = new Set(files.flatMap((file) => [...rowsInTitles(file)]));
  const proven = new Set(rows.filter(({ proofs }) => proofs.length > 0).map(({ number }) => number));
  expect([...titled].filter((number) => !proven.has(number))).toEqual([]);
});
