/** The same policy as WebAssembly, beside this engine: needs the OPA that `npm run interop` builds. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as opaWasm from "@open-policy-agent/opa-wasm";
import type { JsonInput } from "../../../guest/rego/index.ts";
import { opaPath } from "../../interop/rego/opa-program.ts";

/** The library's types promise a named export that its ES module has as a member of the default export only. */
const { loadPolicySync } = (opaWasm as unknown as { readonly default: Pick<typeof opaWasm, "loadPolicySync"> }).default;

/** A policy in a module. */
export interface WasmPolicy {
  /** Bytes of the module. */
  readonly size: number;
  /** The rule's value. */
  readonly decide: (rule: string, input: JsonInput) => unknown;
}

/** Compiles policy text with `opa build`. Undefined, and said aloud, where there is no OPA. @returns what loads the module */
export function buildWasmPolicy(
  text: string,
  rules: readonly string[],
  data: JsonInput,
): (() => WasmPolicy) | undefined {
  if (!existsSync(opaPath)) {
    process.stderr.write("rego.wasm.*: SKIPPED: npm run interop has not built OPA\n");
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "podkeep-wasm-"));
  try {
    const file = join(folder, "policy.rego");
    writeFileSync(file, text);
    const entrypoints = rules.map((rule) => `--entrypoint=agent_policy/${rule}`);
    run(opaPath, "build", "--target=wasm", `--output=${folder}/bundle.tar.gz`, ...entrypoints, file);
    const bytes = run("tar", "-xzOf", `${folder}/bundle.tar.gz`, "/policy.wasm");
    return () => load(bytes, data);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(program: string, ...args: readonly string[]): Uint8Array<ArrayBuffer> {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
  return new Uint8Array(stdout);
}

function load(bytes: Uint8Array<ArrayBuffer>, data: JsonInput): WasmPolicy {
  const policy = loadPolicySync(new WebAssembly.Module(bytes), { initial: 5, maximum: 1024 });
  policy.setData(new TextEncoder().encode(JSON.stringify(data)).buffer);
  return {
    size: bytes.length,
    decide: (rule, input) => {
      const [result] = policy.evaluate(input, `agent_policy/${rule}`) as readonly { readonly result: unknown }[];
      return result?.result;
    },
  };
}
