import { GuestError } from "../core/errors.ts";
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
 * The compiler for a kind of policy. The library that runs WebAssembly is loaded only where a policy needs it: it costs every
 * pod's start time and memory otherwise.
 */
export async function compilerFor(kind: PolicySource["kind"]): Promise<CompileSource> {
  if (kind === "rego") return compileSource;
  const { loadWasmPolicy } = await import("./wasm-engine.ts");
  return (source, name) => (source.kind === "wasm" ? loadWasmPolicy(source.module) : compileSource(source, name));
}
