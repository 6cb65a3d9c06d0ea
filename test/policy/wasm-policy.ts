/**
 * Makes a WebAssembly module with the interface of one that `opa build -t wasm` writes (ABI 1.2), whose answers are constants.
 * What OPA itself compiles is tested where its program is on the machine.
 */

/** The answers of a module. */
export interface WasmPolicy {
  /** Names of the built-ins that it asks of its host. */
  readonly builtins?: readonly string[];
  /** Entrypoint such as `agent_policy/StartContainerRequest`, and the JSON text of its result set; `trap` fails. */
  readonly results: Readonly<Record<string, string>>;
}

const slotBytes = 512;
const resultsAt = 4096;
const i32 = 0x7f;
const end = 0x0b;

/** The module's bytes. */
export function assembleWasmPolicy({ builtins = [], results }: WasmPolicy): Uint8Array {
  const names = Object.keys(results);
  const tables = [
    JSON.stringify(Object.fromEntries(builtins.map((name, index) => [name, index]))),
    JSON.stringify(Object.fromEntries(names.map((name, index) => [name, index]))),
  ];
  const trapping = names.findIndex((name) => results[name] === "trap");
  const texts = names.map((name) => results[name] ?? "");
  const data = [
    ...tables.map((text, index) => segment(1024 * (index + 1), text)),
    ...texts.map((text, index) => segment(resultsAt + slotBytes * index, text)),
  ];
  // Signatures by number of parameters and results.
  const types = [signature(1, 1), signature(2, 1), signature(0, 1), signature(1, 0), signature(7, 1)];
  const functions: readonly (readonly [string, number, readonly number[]])[] = [
    ["opa_malloc", 0, constant(65536)],
    ["opa_json_parse", 1, constant(16)],
    ["opa_json_dump", 0, [0x20, 0]],
    ["opa_heap_ptr_get", 2, constant(65536)],
    ["opa_heap_ptr_set", 3, []],
    ["builtins", 2, constant(1024)],
    ["entrypoints", 2, constant(2048)],
    ["opa_eval", 4, evaluation(trapping)],
  ];
  const exports = functions.map(([name], index) => [...text(name), 0, index]);
  const globals = ["opa_wasm_abi_version", "opa_wasm_abi_minor_version"].map((name, index) => [
    ...text(name),
    3,
    index,
  ]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [[...text("env"), ...text("memory"), 2, 0, 1]]),
    ...section(
      3,
      functions.map(([, type]) => [type]),
    ),
    ...section(
      6,
      [1, 2].map((value) => [i32, 0, ...constant(value), end]),
    ),
    ...section(7, [...exports, ...globals]),
    ...section(
      10,
      functions.map(([, , body]) => sized([0, ...body, end])),
    ),
    ...section(11, data),
  ]);
}

/** The address of the slot of the entrypoint (second parameter), or a trap. */
function evaluation(trapping: number): readonly number[] {
  const trap = [0x20, 1, ...constant(trapping), 0x46, 0x04, 0x40, 0x00, end];
  return [...trap, 0x20, 1, ...constant(slotBytes), 0x6c, ...constant(resultsAt), 0x6a];
}

function signature(parameters: number, results: number): readonly number[] {
  return [
    0x60,
    parameters,
    ...new Array<number>(parameters).fill(i32),
    results,
    ...new Array<number>(results).fill(i32),
  ];
}

function segment(address: number, content: string): readonly number[] {
  return [0, ...constant(address), end, ...text(`${content}\0`)];
}

function constant(value: number): readonly number[] {
  return [0x41, ...signedLeb(value)];
}

function text(value: string): readonly number[] {
  return sized([...new TextEncoder().encode(value)]);
}

function section(id: number, entries: readonly (readonly number[])[]): readonly number[] {
  return [id, ...sized([...unsignedLeb(entries.length), ...entries.flat()])];
}

function sized(bytes: readonly number[]): readonly number[] {
  return [...unsignedLeb(bytes.length), ...bytes];
}

function unsignedLeb(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsignedLeb(value >>> 7)];
}

function signedLeb(value: number): readonly number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return done ? [low] : [low | 0x80, ...signedLeb(rest)];
}
