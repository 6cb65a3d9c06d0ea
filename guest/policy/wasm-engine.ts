import * as opaWasm from "@open-policy-agent/opa-wasm";
import { GuestError, messageOf } from "../core/errors.ts";
import { formatJson, isJsonArray, isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { maxPolicyBytes, maxWasmPages } from "./limits.ts";
import type { FailedAttempt, PolicyEngine } from "./policy-engine.ts";

type LoadedPolicy = opaWasm.LoadedPolicy;

/** The library's types promise a named export that its ES module has as a member of the default export only. */
const { loadPolicySync } = (opaWasm as unknown as { readonly default: Pick<typeof opaWasm, "loadPolicySync"> }).default;

/**
 * Built-ins that the runtime library does outside the module and that agree with OPA. Its others don't: `regex.split` runs a
 * backtracking engine on what the host sends, `sprintf` and `yaml.*` format and parse differently.
 */
const agreeingBuiltins: ReadonlySet<string> = new Set(["json.is_valid"]);

/**
 * Loads a policy that `opa build -t wasm -e agent_policy/<Request> …` has made.
 *
 * @param bytes the module
 * @throws GuestError `invalid-argument` when it is no such module or needs a built-in that can't be had here
 */
export function loadWasmPolicy(bytes: Uint8Array): PolicyEngine {
  if (bytes.length > maxPolicyBytes)
    throw new GuestError("invalid-argument", `policy.wasm is longer than ${maxPolicyBytes} bytes`);
  try {
    // A copy of its own, since the type of a module's bytes excludes shared memory.
    return new WasmEngine(new WebAssembly.Module(new Uint8Array(bytes)));
  } catch (cause) {
    if (cause instanceof GuestError) throw cause;
    const message = `policy.wasm does not load: ${messageOf(cause)}; build it with: opa build -t wasm`;
    throw new GuestError("invalid-argument", message, { cause });
  }
}

/** One evaluation at a time in one instance, which is thrown away when an evaluation traps. */
class WasmEngine implements PolicyEngine {
  readonly #module: WebAssembly.Module;
  #instance: LoadedPolicy | undefined;
  /** The document that the instance holds. */
  #document: JsonObject | undefined;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
    const instance = this.#loaded();
    refuseOutsideBuiltins(instance);
  }

  evaluate(entrypoint: string, input: JsonObject, document: JsonObject): JsonValue | undefined {
    const instance = this.#loaded();
    const path = pathOf(entrypoint);
    if (!Object.hasOwn(instance.entrypoints, path)) return undefined;
    try {
      if (document !== this.#document) instance.setData(jsonBytes(document));
      this.#document = document;
      return resultOf(instance.evaluate(jsonBytes(input), path));
    } catch (cause) {
      // After a trap the instance's memory is in no known state.
      this.#instance = undefined;
      throw new GuestError("internal", `policy.wasm failed: ${messageOf(cause)}`, { cause });
    }
  }

  prints(): readonly string[] {
    return [];
  }

  explain(): readonly FailedAttempt[] {
    return [];
  }

  hasRule(entrypoint: string): boolean {
    return Object.hasOwn(this.#loaded().entrypoints, pathOf(entrypoint));
  }

  #loaded(): LoadedPolicy {
    if (this.#instance === undefined) {
      this.#document = undefined;
      this.#instance = loadPolicySync(this.#module, { initial: 5, maximum: maxWasmPages });
    }
    return this.#instance;
  }
}

function pathOf(entrypoint: string): string {
  return `agent_policy/${entrypoint}`;
}

/** JSON text as the library takes it: it would write 64-bit integers as strings, or not at all, when handed objects. */
function jsonBytes(value: JsonObject): ArrayBuffer {
  return new TextEncoder().encode(formatJson(value)).slice().buffer;
}

/** The one result of a result set; the set is empty when the rule is undefined. */
function resultOf(resultSet: unknown): JsonValue | undefined {
  const results = fromLibrary(resultSet);
  if (!isJsonArray(results) || results.length > 1) throw new TypeError("unexpected result set");
  const [first] = results;
  return isJsonObject(first) ? first["result"] : undefined;
}

/** Plain objects of JSON.parse as JSON data of ours. A number that was rounded while parsing is refused. */
function fromLibrary(value: unknown): JsonValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError("number is not exact");
    return value;
  }
  if (Array.isArray(value)) return value.map(fromLibrary);
  if (typeof value !== "object") throw new TypeError("result is not JSON");
  const object: Record<string, JsonValue> = Object.create(null);
  for (const [key, member] of Object.entries(value)) object[key] = fromLibrary(member);
  return object;
}

function refuseOutsideBuiltins(instance: LoadedPolicy): void {
  for (const name of Object.keys(builtinTable(instance))) {
    if (agreeingBuiltins.has(name)) continue;
    const message = `policy.wasm uses ${name}, which WebAssembly policies can't have here; use a policy.rego instead`;
    throw new GuestError("invalid-argument", message);
  }
}

/** The built-ins that the module wants from outside: name to number. */
function builtinTable({ wasmInstance, mem }: LoadedPolicy): JsonObject {
  // Exports of OPA's ABI (1.x): both take and give addresses in the module's memory.
  const { builtins, opa_json_dump } = (wasmInstance as WebAssembly.Instance).exports as {
    readonly builtins: () => number;
    readonly opa_json_dump: (address: number) => number;
  };
  const memory = new Uint8Array(mem.buffer);
  const start = opa_json_dump(builtins());
  const table = parseJson(memory.subarray(start, memory.indexOf(0, start)));
  return isJsonObject(table) ? table : {};
}
