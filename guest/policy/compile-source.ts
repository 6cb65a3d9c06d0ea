import type { PolicyEngine, PolicySource } from "./policy-engine.ts";
import { compileRego } from "./rego-engine.ts";
import { loadWasmPolicy } from "./wasm-engine.ts";

/** Makes an engine of a policy as it was delivered. */
export type CompileSource = (source: PolicySource, name: string) => PolicyEngine;

/**
 * Compiles Rego text or loads a WebAssembly policy.
 *
 * @param name shown in prints and errors
 * @throws GuestError `invalid-argument` when it can't be used
 */
export const compileSource: CompileSource = (source, name) =>
  source.kind === "wasm" ? loadWasmPolicy(source.module) : compileRego(source.text, name);
