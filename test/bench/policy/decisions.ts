/**
 * Decisions through the gate: guard, input, evaluation, state; without decoding. Prints a line a figure, or with --json one JSON
 * object a line: name, value, unit, runs.
 *
 *     node --experimental-ffi test/bench/policy/decisions.ts [--json] [--runs N]
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { silentLog } from "../../../guest/core/log.ts";
import { PolicyGate } from "../../../guest/policy/policy-gate.ts";
import { AgentService } from "../../../guest/rpc/messages/agent.ts";
import type { MethodDefinition } from "../../../guest/rpc/method.ts";
import { callContext, receivedRequest } from "../../policy/gate-under-test.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, runs: { type: "string", default: "20000" } } });
const runs = Number(values.runs);
const rules = `
CopyFileRequest if {
	input.file_type == "Regular"
	regex.match("^/run/kata-containers/shared/containers/(passthrough/)?[a-z0-9]{64}-[a-z0-9]{16}-", input.path)
	not ".." in split(input.path, "/")
}
WriteStreamRequest := count(input.data) < 40000
`;
const policy = readFileSync(new URL("../../../policy/exec-allow-list.rego", import.meta.url), "utf8")
  .replace("default CopyFileRequest := true", "default CopyFileRequest := false")
  .replace("default WriteStreamRequest := false\n", "");
const gate = new PolicyGate({
  policy: { kind: "rego", text: policy + rules },
  origin: { kind: "initdata" },
  debug: false,
  log: silentLog,
});
const context = callContext(silentLog);

const id = "0123456789abcdef".repeat(4);
const process = {
  User: { UID: 0, GID: 0, AdditionalGids: [0] },
  Args: ["cat", "/etc/os-release"],
  Cwd: "/",
  Env: Array.from({ length: 40 }, (_, index) => `VARIABLE_${index}=value`),
};
const create = {
  container_id: id,
  OCI: {
    Process: { ...process, Args: ["web"] },
    Root: { Path: `/run/kata-containers/${id}/rootfs` },
    Mounts: Array.from({ length: 20 }, (_, index) => ({
      destination: `/m${index}`,
      source: `/run/s${index}`,
      type: "bind",
    })),
    Annotations: Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`annotation-${index}`, "value"])),
  },
};
const copy = {
  path: `/run/kata-containers/shared/containers/${id}-0123456789abcdef-resolv.conf`,
  file_mode: 0o100644,
  file_size: 1048576n,
  data: new Uint8Array(1048576),
};

measure("policy: SignalProcess, a rule that is true", "SignalProcess", { container_id: id, exec_id: id, signal: 15 });
measure("policy: CreateContainer, 40 variables, 20 mounts, state kept", "CreateContainer", create);
measure("policy: ExecProcess from a list, 40 variables compared", "ExecProcess", {
  container_id: id,
  exec_id: "e1",
  process,
});
measure("policy: ExecProcess denied and explained", "ExecProcess", {
  container_id: id,
  exec_id: "e1",
  process: { ...process, Args: ["sh"] },
});
measure("policy: CopyFile of 1 MiB, path by regex", "CopyFile", copy);
measure("policy: ReadStdout", "ReadStdout", { container_id: id, exec_id: "e1", len: 32768 });
measure("policy: WriteStdin of 32 KiB, its bytes counted", "WriteStdin", {
  container_id: id,
  data: new Uint8Array(32768),
});

function measure(name: string, method: keyof typeof AgentService.methods, init: object): void {
  // The table's entry for the name; its type parameters are those of the request.
  const definition = AgentService.methods[method] as MethodDefinition;
  const request = receivedRequest(definition, init);
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    decide(definition, request);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  for (const [label, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const value = Number(((times[Math.floor(runs * share)] ?? 0) * 1000).toFixed(2));
    const figure = { name: `${name} (${label})`, value, unit: "µs", runs };
    console.info(values.json === true ? JSON.stringify(figure) : `${figure.name.padEnd(72)} ${value} µs`);
  }
}

function decide(definition: MethodDefinition, request: unknown): void {
  try {
    const decision = gate.decide(definition, request, context);
    if (decision.kind === "allow") decision.commit();
  } catch {
    // A denial is one of the figures.
  }
}
