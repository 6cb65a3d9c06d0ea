/** Measures the Rego engine on a generated policy: prints a line of JSON {name, value, unit, runs} for each figure. */
import process from "node:process";
import { compilePolicy } from "../../../guest/rego/index.ts";
import {
  copyFileRequest,
  createContainerRequest,
  execProcessRequest,
  generatedPolicy,
  stateDocument,
} from "./generated-policy.ts";
import { buildWasmPolicy } from "./opa-wasm.ts";

const path = "data.agent_policy.";
const data = stateDocument;

function report(name: string, value: number, unit: string, runs: number): void {
  process.stdout.write(`${JSON.stringify({ name, value: Number(value.toPrecision(3)), unit, runs })}\n`);
}

/** The median time of so many runs, in milliseconds. */
function median(runs: number, run: () => void): number {
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    run();
    return performance.now() - started;
  });
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
}

const text = generatedPolicy();
report("rego.policy.size", text.length / 1024, "KiB", 1);

const started = performance.now();
const policy = compilePolicy([{ name: "agent_policy", text }]);
report("rego.load.cold", performance.now() - started, "ms", 1);

const input = createContainerRequest(0);
const decide = (name: string, request: typeof input | typeof copyFileRequest): boolean => {
  const result = policy.evaluate({ path: path + name, input: request, data });
  return result.kind === "value" && result.value !== false;
};

const firstStarted = performance.now();
const allowed = decide("CreateContainerRequest", input);
report("rego.create.first", performance.now() - firstStarted, "ms", 1);
if (!allowed) {
  throw new Error("the benchmark's request has to be allowed");
}
const copyStarted = performance.now();
decide("CopyFileRequest", copyFileRequest);
report("rego.copy.first", (performance.now() - copyStarted) * 1000, "µs", 1);

report(
  "rego.load.warm",
  median(20, () => compilePolicy([{ name: "agent_policy", text }])),
  "ms",
  20,
);
for (let run = 0; run < 300; run += 1) {
  decide("CreateContainerRequest", input);
  decide("CopyFileRequest", copyFileRequest);
  decide("ExecProcessRequest", execProcessRequest);
}
report(
  "rego.create.warm",
  median(300, () => decide("CreateContainerRequest", input)),
  "ms",
  300,
);

const deniedProcess = {
  ...input,
  OCI: { ...(input["OCI"] as object), Root: { Path: "/elsewhere", Readonly: true } },
} as typeof input;
if (decide("CreateContainerRequest", deniedProcess)) {
  throw new Error("a container with another root must be denied");
}
report(
  "rego.create.denied",
  median(300, () => decide("CreateContainerRequest", deniedProcess)),
  "ms",
  300,
);
const request = { path: `${path}CreateContainerRequest`, input: deniedProcess, data };
report(
  "rego.create.denied.prints",
  median(50, () => policy.prints(request)),
  "ms",
  50,
);
report(
  "rego.create.denied.explain",
  median(20, () => policy.explain(request)),
  "ms",
  20,
);

const large = createContainerRequest(200);
if (!decide("CreateContainerRequest", large)) {
  throw new Error("a request with 200 service variables has to be allowed");
}
report(
  "rego.create.200-variables",
  median(100, () => decide("CreateContainerRequest", large)),
  "ms",
  100,
);
if (!decide("CopyFileRequest", copyFileRequest) || !decide("ExecProcessRequest", execProcessRequest)) {
  throw new Error("the benchmark's small requests have to be allowed");
}
report("rego.copy.warm", median(2000, () => decide("CopyFileRequest", copyFileRequest)) * 1000, "µs", 2000);
report("rego.exec.warm", median(2000, () => decide("ExecProcessRequest", execProcessRequest)) * 1000, "µs", 2000);

globalThis.gc?.();
const before = process.memoryUsage().heapUsed;
for (let run = 0; run < 10_000; run += 1) {
  decide("CopyFileRequest", { ...(copyFileRequest as object), path: `/run/x-${run}` } as typeof copyFileRequest);
  decide("ExecProcessRequest", execProcessRequest);
}
globalThis.gc?.();
report("rego.memory.growth", (process.memoryUsage().heapUsed - before) / 1024, "KiB", 10_000);

const rules = ["CreateContainerRequest", "CopyFileRequest", "ExecProcessRequest"];
const loadWasm = buildWasmPolicy(text, rules, data);
if (loadWasm !== undefined) {
  const wasmStarted = performance.now();
  const wasm = loadWasm();
  report("rego.wasm.load.cold", performance.now() - wasmStarted, "ms", 1);
  report("rego.wasm.size", wasm.size / 1024, "KiB", 1);
  const wasmFirst = performance.now();
  const wasmAllowed = wasm.decide("CreateContainerRequest", input);
  report("rego.wasm.create.first", performance.now() - wasmFirst, "ms", 1);
  if (typeof wasmAllowed !== "object" || wasm.decide("CopyFileRequest", copyFileRequest) !== true) {
    throw new Error("the benchmark's requests have to be allowed by the module too");
  }
  report("rego.wasm.load.warm", median(20, loadWasm), "ms", 20);
  const decideWasm = (rule: string, request: typeof input | typeof copyFileRequest) => () => {
    wasm.decide(rule, request);
  };
  report("rego.wasm.create.warm", median(200, decideWasm("CreateContainerRequest", input)), "ms", 200);
  report("rego.wasm.create.denied", median(200, decideWasm("CreateContainerRequest", deniedProcess)), "ms", 200);
  report("rego.wasm.create.200-variables", median(50, decideWasm("CreateContainerRequest", large)), "ms", 50);
  report("rego.wasm.copy.warm", median(1000, decideWasm("CopyFileRequest", copyFileRequest)) * 1000, "µs", 1000);
  report("rego.wasm.exec.warm", median(1000, decideWasm("ExecProcessRequest", execProcessRequest)) * 1000, "µs", 1000);
}
