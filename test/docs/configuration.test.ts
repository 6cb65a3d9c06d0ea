import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { defaultConfiguration } from "../../guest/compose/configuration.ts";
import { measuredSettings } from "../../guest/initdata/measured-settings.ts";

/** A line of the table of docs/CONFIGURATION.md. */
interface Line {
  /** As initdata and messages name it: `agent.tls_client_ca`. */
  readonly key: string;
  /** What stands in its column; `none` for an empty text. */
  readonly fallback: string;
  /** Bears the ¹ of what initdata can set. */
  readonly isMeasured: boolean;
}

function documentedLines(): Line[] {
  const page = readFileSync(new URL("../../docs/CONFIGURATION.md", import.meta.url), "utf8");
  const [, table = ""] = /\n\| key \| default \| meaning \|\n([\s\S]*?)\n\n/.exec(page) ?? [];
  let section = "";
  return table.split("\n").flatMap((row): Line[] => {
    const [, names = "", fallback = ""] = row.split("|").map((cell) => cell.trim());
    section = /^\*\*`\[(\w+)\]`\*\*$/.exec(names)?.[1] ?? section;
    return [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => ({
      key: section === "" ? name : `${section}.${name}`,
      fallback: fallback.replaceAll("`", ""),
      isMeasured: names.endsWith("¹"),
    }));
  });
}

function existingLines(values: object, prefix = ""): Line[] {
  return Object.entries(values).flatMap(([name, value]): Line[] => {
    const key = prefix + name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (typeof value === "object") return existingLines(value, `${key}.`);
    return [{ key, fallback: String(value) || "none", isMeasured: measuredSettings.has(key) }];
  });
}

const byKey = (a: Line, b: Line): number => (a.key < b.key ? -1 : 1);

test("docs/CONFIGURATION.md has every key of podkeep.toml, its default, and whether initdata can set it", () => {
  expect(documentedLines().toSorted(byKey)).toEqual(existingLines(defaultConfiguration).toSorted(byKey));
});
