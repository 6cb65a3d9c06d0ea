import { parseArgs } from "node:util";
import { type CommandIo, exitCodes } from "../core/command.ts";
import { GuestError, messageOf } from "../core/errors.ts";
import { formatJson, isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { silentLog } from "../core/log.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { ActivePolicy } from "../policy/active-policy.ts";
import { compilerFor } from "../policy/compile-source.ts";
import { maxPolicyBytes } from "../policy/limits.ts";
import type { FailedAttempt, PolicySource } from "../policy/policy-engine.ts";
import { initialDocument, PolicyState } from "../policy/policy-state.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, UsageError } from "./usage.ts";

const usage = `usage: podkeep policy eval --policy FILE --request NAME --input FILE [--state FILE] [--explain] [--json]

Decides one request as the guest would, without doing it.

  --policy FILE   the policy: Rego text, or WebAssembly when the name ends in .wasm
  --request NAME  the rule: the request's message, such as ExecProcessRequest or CopyFileRequest
  --input FILE    the request as policies see it, in JSON; - is standard input
  --state FILE    the data document that earlier requests have left, such as {"pstate": {}}; absent: that one
  --explain       for a request that does not pass: which rule bodies were tried, where each failed, and what rules printed
  --json          print one line of JSON: {"allowed", "reason", "ops", "state"}

Exit code 0: allowed; 1: denied, no decision, or a file that can't be used; 2: wrong command line.
`;

/** Bytes of a request or a state in JSON: four times the largest message, whose bytes are written out as integers. */
const maxJsonBytes = 16 * 1024 * 1024;

/** Failed rule bodies that are shown. */
const maxAttemptsShown = 10;

const options = {
  policy: { type: "string" },
  request: { type: "string" },
  input: { type: "string" },
  state: { type: "string" },
  explain: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** What is printed. */
interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
  readonly ops: readonly JsonValue[];
  /** The document once the request has succeeded. */
  readonly state: JsonObject;
}

/** `podkeep policy eval`. */
export const run = createCommand("policy eval", usage, (args, io) => {
  const { values } = parseArgs({ args: [...args], options });
  const { policy, request, input } = values;
  if (policy === undefined || request === undefined || input === undefined)
    throw new UsageError("--policy, --request and --input are needed");
  return evaluate({ ...values, policy, request, input }, io);
});

type Question = Values & { readonly policy: string; readonly request: string; readonly input: string };

async function evaluate(question: Question, io: CommandIo): Promise<number> {
  const { request } = question;
  const source = await readPolicy(question.policy, io);
  const compile = await compilerFor(source);
  const policy = new ActivePolicy(source, { kind: "default-file", path: question.policy }, compile, silentLog);
  const input = await readObject(question.input, io);
  const document = question.state === undefined ? initialDocument : await readObject(question.state, io);
  const verdict = judge(policy, request, input, document);
  io.stdout(question.json ? `${formatJson({ ...verdict })}\n` : describe(verdict));
  if (question.explain && !verdict.allowed) io.stderr(explain(policy, request, input, document));
  return verdict.allowed ? exitCodes.success : exitCodes.failure;
}

function judge(policy: ActivePolicy, request: string, input: JsonObject, document: JsonObject): Verdict {
  const unchanged = { ops: [], state: document };
  try {
    const decision = policy.decide(request, input, document);
    if (decision.kind === "allowed") {
      const state = new PolicyState(document);
      state.begin(decision.operations, () => undefined);
      return { allowed: true, reason: "the rule is true", ops: decision.operations, state: state.document };
    }
    if (decision.kind === "invalid") return { allowed: false, reason: decision.problem, ...unchanged };
    if (policy.allowsFailures)
      return {
        allowed: true,
        reason: `the rule is ${decision.kind}, but AllowRequestsFailingPolicy is true`,
        ...unchanged,
      };
    const reason = decision.kind === "denied" ? "the rule is false" : undefinedReason(policy, request);
    return { allowed: false, reason, ...unchanged };
  } catch (error) {
    return { allowed: false, reason: `evaluation failed: ${messageOf(error)}`, ...unchanged };
  }
}

function undefinedReason({ engine }: ActivePolicy, request: string): string {
  return engine.hasRule(request)
    ? "the rule has no value and no default"
    : `the policy has no rule ${request}, which has to be named as the request's message is`;
}

function describe({ allowed, reason, ops, state }: Verdict): string {
  const lines = [`${allowed ? "allowed" : "denied"}: ${reason}`];
  if (ops.length > 0) lines.push(`ops:   ${formatJson(ops)}`);
  lines.push(`state: ${formatJson(state)}`);
  return `${lines.join("\n")}\n`;
}

function explain({ engine }: ActivePolicy, request: string, input: JsonObject, document: JsonObject): string {
  const attempts = engine.explain(request, input, document).slice(0, maxAttemptsShown);
  const prints = engine.prints(request, input, document);
  const sections = [attempts.map(describeAttempt).join("\n") || "no rule body was tried"];
  if (prints.length > 0) sections.push(`printed:\n${prints.map((line) => `  ${line}`).join("\n")}`);
  return `${sections.join("\n\n")}\n`;
}

function describeAttempt({ rule, place, literal, values }: FailedAttempt): string {
  const seen = Object.entries(values).map(([name, value]) => `    ${name} is ${value}`);
  return [`${place}: ${rule} failed at`, `  ${literal}`, ...seen].join("\n");
}

async function readPolicy(file: string, io: CommandIo): Promise<PolicySource> {
  const bytes = await readInputFile(file, maxPolicyBytes, io);
  return file.endsWith(".wasm") ? { kind: "wasm", module: bytes } : { kind: "rego", text: decodeUtf8(bytes, file) };
}

async function readObject(file: string, io: CommandIo): Promise<JsonObject> {
  try {
    const value = parseJson(await readInputFile(file, maxJsonBytes, io), { maxLength: maxJsonBytes, maxDepth: 64 });
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new GuestError("invalid-argument", `${file}: ${messageOf(cause)}`, { cause });
  }
  throw new GuestError("invalid-argument", `${file}: must hold a JSON object`);
}
