import { parseArgs } from "node:util";
import { type Command, exitCodes } from "../core/command.ts";
import { messageOf } from "../core/errors.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { type CaseResult, runCase } from "../rego/conformance.ts";
import { readInputFile } from "./input-file.ts";

const usage = `usage: podkeep policy test [--json] FILE.jsonl...

Runs conformance cases of the Rego engine, one JSON object a line, and prints those that fail.

  --json   print one line of JSON for each case: {"id", "tier", "passed", "reason"}

Exit code 0: all passed; 1: some failed, or a file can't be read; 2: wrong command line.
`;

const maxFileBytes = 64 * 1024 * 1024;

const options = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;

/** `podkeep policy test`. */
export const run: Command = async (args, io) => {
  let files: readonly string[];
  let json: boolean;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help === true) {
      io.stdout(usage);
      return exitCodes.success;
    }
    files = positionals;
    json = values.json === true;
  } catch (error) {
    io.stderr(`podkeep policy test: ${messageOf(error)}\n\n${usage}`);
    return exitCodes.usage;
  }
  if (files.length === 0) {
    io.stderr(`podkeep policy test: no file is named\n\n${usage}`);
    return exitCodes.usage;
  }
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    let text: string;
    try {
      text = decodeUtf8(await readInputFile(file, maxFileBytes, io), file);
    } catch (error) {
      io.stderr(`podkeep policy test: ${messageOf(error)}\n`);
      return exitCodes.failure;
    }
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "") {
        continue;
      }
      const result = await resultOf(line, `${file}:${index + 1}`);
      passed += result.passed ? 1 : 0;
      failed += result.passed ? 0 : 1;
      if (json) {
        io.stdout(`${JSON.stringify(result)}\n`);
      } else if (!result.passed) {
        io.stdout(`FAILED ${result.id} (${result.tier})\n  ${result.reason}\n`);
      }
    }
  }
  if (!json) {
    io.stdout(`${passed} passed, ${failed} failed\n`);
  }
  return failed === 0 ? exitCodes.success : exitCodes.failure;
};

async function resultOf(line: string, place: string): Promise<CaseResult> {
  try {
    return await runCase(line, BigInt(Date.now()) * 1_000_000n);
  } catch (error) {
    return { id: place, tier: "", passed: false, reason: messageOf(error) };
  }
}
