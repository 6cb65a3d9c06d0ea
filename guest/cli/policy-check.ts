import { parseArgs } from "node:util";
import { exitCodes } from "../core/command.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { maxPolicyBytes } from "../policy/limits.ts";
import { compilePolicy, formatDiagnostic, loadBuiltinsFor, RegoLimitError, RegoLoadError } from "../rego/index.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, UsageError } from "./usage.ts";

const usage = `usage: podkeep policy check FILE.rego...

Loads the files as one policy, as the guest would, and prints every mistake with its place.

Exit code 0: the policy loads; 1: it does not, or a file can't be read; 2: wrong command line.
`;

/** `podkeep policy check`. */
export const run = createCommand("policy check", usage, async (args, io) => {
  const { positionals: files } = parseArgs({ args: [...args], options: {}, allowPositionals: true });
  if (files.length === 0) throw new UsageError("no file is named");
  const modules = [];
  for (const file of files) {
    modules.push({ name: file, text: decodeUtf8(await readInputFile(file, maxPolicyBytes, io), file) });
  }
  try {
    compilePolicy(modules, { builtins: await loadBuiltinsFor(modules) });
    return exitCodes.success;
  } catch (error) {
    if (error instanceof RegoLoadError)
      io.stdout(error.diagnostics.map((one) => `${formatDiagnostic(one)}\n`).join(""));
    else if (error instanceof RegoLimitError) io.stdout(`${error.message}\n`);
    else throw error;
    return exitCodes.failure;
  }
});
