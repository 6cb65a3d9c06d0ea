/**
 * The functions of a policy. Two families stand on large libraries, which are loaded for a policy that names them: every
 * other one would pay for them with time and memory.
 */
import { builtins } from "./index.ts";
import type { Builtin } from "./types.ts";

/** Loads a family, by the name before the dot. */
const families: ReadonlyMap<string, () => Promise<readonly Builtin[]>> = new Map([
  ["graphql", async () => (await import("./graphql.ts")).graphqlBuiltins],
  ["yaml", async () => (await import("./yaml.ts")).yamlBuiltins],
]);

/** All functions that modules with these texts can call, by their full names. A text that only seems to name one costs time. */
export async function loadBuiltinsFor(
  modules: readonly { readonly text: string }[],
): Promise<ReadonlyMap<string, Builtin>> {
  const table = new Map(builtins);
  for (const [name, load] of families) {
    const mention = new RegExp(`\\b${name}[.[]`);
    if (modules.some(({ text }) => mention.test(text))) {
      for (const builtin of await load()) {
        table.set(builtin.name, builtin);
      }
    }
  }
  return table;
}

/** Whether the name belongs to a family that has to be loaded first. */
export function isLoadedOnDemand(name: string): boolean {
  const [family = ""] = name.split(".");
  return families.has(family);
}
