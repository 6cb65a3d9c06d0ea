/** Cases through `opa build -t wasm` and the library that runs such modules. */
import * as opaWasm from "@open-policy-agent/opa-wasm";
import type { CaseAnswer } from "../../../guest/rego/conformance.ts";
import { parseJson, RegoObject, toJsonText, type Value } from "../../../guest/rego/index.ts";
import { buildWasm, type CaseFiles } from "./opa-program.ts";

/** The library's types promise a named export that its ES module has as a member of the default export only. */
const { loadPolicySync } = (opaWasm as unknown as { readonly default: Pick<typeof opaWasm, "loadPolicySync"> }).default;

/** Pages of 64 KiB that a module may grow to. */
const pages = { initial: 5, maximum: 1024 };

/** The path and the variable of queries such as `data.test.p = x`, `x = data.test.p` and `data.test.p`. */
const simpleQuery = /^(?:(?<left>\w+) = )?data(?<path>(?:\.\w+)+)(?: = (?<right>\w+))?$/;

/** Runs a case; the answer is a sentence when it is one that can't be run this way. */
export async function evaluateWithWasm(fields: RegoObject, files: CaseFiles): Promise<CaseAnswer | string> {
  const query = simpleQuery.exec(String(fields.get("query")))?.groups;
  const path = query?.["path"];
  if (query === undefined || path === undefined) return "the query is no rule";
  if (fields.get("strict") === true) return "modules have no strict mode";
  const built = await buildWasm(fields, files, path.slice(1).replaceAll(".", "/"));
  if ("refused" in built) return `OPA builds no module: ${built.refused}`;
  const policy = loadPolicySync(new WebAssembly.Module(new Uint8Array(built)), pages);
  const outside = outsideBuiltins(policy);
  if (outside.length > 0) return `the library, not OPA, has ${outside.join(", ")}`;
  try {
    const data = fields.get("data");
    const input = fields.get("input");
    policy.setData(data === undefined ? {} : bytesOf(data));
    const results = policy.evaluate(input === undefined ? null : bytesOf(input));
    return { kind: "solutions", solutions: solutionsOf(results, query["left"] ?? query["right"]) };
  } catch (error) {
    return { kind: "error", message: error instanceof Error ? error.message : String(error) };
  }
}

/** The built-ins that the module wants from outside, by OPA's ABI: addresses of JSON texts in the module's memory. */
function outsideBuiltins({ wasmInstance, mem }: opaWasm.LoadedPolicy): string[] {
  const { builtins, opa_json_dump } = (wasmInstance as WebAssembly.Instance).exports as {
    readonly builtins: () => number;
    readonly opa_json_dump: (address: number) => number;
  };
  const bytes = new Uint8Array((mem as WebAssembly.Memory).buffer);
  const start = opa_json_dump(builtins());
  const table = parseJson(new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start))));
  return table instanceof RegoObject ? table.keys().map(String) : [];
}

function solutionsOf(results: unknown, variable: string | undefined): Value[] {
  const [result] = Array.isArray(results) ? results : [];
  const value = result === undefined ? undefined : parseJson(JSON.stringify(result.result));
  if (value === undefined || (variable === undefined && value === false)) return [];
  return [RegoObject.from(variable === undefined ? [] : [[variable, value]])];
}

function bytesOf(value: Value): ArrayBuffer {
  return new TextEncoder().encode(toJsonText(value)).buffer;
}
