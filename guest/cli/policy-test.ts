import { parseArgs } from "node:util";
import { exitCodes } from "../core/command.ts";
import { messageOf } from "../core/errors.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { type CaseResult, runCase } from "../rego/conformance.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, UsageError } from "./usage.ts";

const usage = `usage: podkeep policy test [--json] FILE.jsonl...

Runs conformance cases of the Rego engine, one JSON object a line, and prints those that fail.

  --json   print one line of JSON for each case: {"id", "tier", "passed", "reason"}

Exit code 0: all passed; 1: some failed, or a file can't be read; 2: wrong command line.
`;

const maxFileBytes = 64 * 1024 * 1024;

const options = { json: { type: "boolean", default: false } } as const;

/** `podkeep policy test`. */
export const run = createCommand("policy test", usage, async (args, io) => {
  const { values, positionals: files } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (files.length === 0) throw new UsageError("no file is named");
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    const text = decodeUtf8(await readInputFile(file, maxFileBytes, io), file);
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "") continue;
      const result = await resultOf(line, `${file}:${index + 1}`);
      if (result.passed) passed += 1;
      else failed += 1;
      if (values.json) io.stdout(`${JSON.stringify(result)}\n`);
      else if (!result.passed) io.stdout(describe(result));
    }
  }
  if (!values.json) io.stdout(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? exitCodes.success : exitCodes.failure;
});

function describe({ id, tier, reason }: CaseResult): string {
  return `FAILED ${id}${tier === "" ? "" : ` (${tier})`}\n  ${reason}\n`;
}

async function resultOf(line: string, place: string): Promise<CaseResult> {
  try {
    return await runCase(line, BigInt(Date.now()) * 1_000_000n);
  } catch (error) {
    return { id: place, tier: "", passed: false, reason: messageOf(error) };
  }
}
