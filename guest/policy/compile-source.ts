import { GuestError } from "../core/errors.ts";
import { loadBuiltinsFor } from "../rego/index.ts";
import type { PolicyEngine, PolicySource } from "./policy-engine.ts";
import { compileRego } from "./rego-engine.ts";

/** Makes an engine of a policy as it was delivered. */
export type CompileSource = (source: PolicySource, name: string) => PolicyEngine;

/**
 * Compiles Rego text.
 *
 * @param name shown in prints and errors
 * @throws GuestError `invalid-argument` when it can't be used; `failed-precondition` for WebAssembly, see
 *   {@link compilerFor}
 */
export const compileSource: CompileSource = (source, name) => {
  if (source.kind === "rego") return compileRego(source.text, name);
  throw new GuestError("failed-precondition", "the library that runs policy.wasm was not loaded");
};

/**
 * The compiler for a policy, and for those that replace it. Libraries that few policies need are loaded only where this one
 * does, since they cost every pod's start time and memory: the one that runs WebAssembly, and those of yaml.* and graphql.*. A
 * later policy that needs another one is refused, with an error that says so.
 */
export async function compilerFor(policy: PolicySource): Promise<CompileSource> {
  if (policy.kind === "rego") {
    const builtins = await loadBuiltinsFor([policy]);
    return (source, name) =>
      source.kind === "rego" ? compileRego(source.text, name, builtins) : compileSource(source, name);
  }
  const { loadWasmPolicy } = await import("./wasm-engine.ts");
  return (source, name) => (source.kind === "wasm" ? loadWasmPolicy(source.module) : compileSource(source, name));
}
