import { type Command, exitCodes } from "../core/command.ts";
import { messageOf } from "../core/errors.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { compilePolicy, formatDiagnostic, loadBuiltinsFor, RegoLimitError, RegoLoadError } from "../rego/index.ts";
import { readInputFile } from "./input-file.ts";

const usage = `usage: podkeep policy check FILE.rego...

Loads the files as one policy, as the guest would, and prints every mistake with its place.

Exit code 0: the policy loads; 1: it does not, or a file can't be read; 2: wrong command line.
`;

const maxPolicyBytes = 16 * 1024 * 1024;

/** `podkeep policy check`. */
export const run: Command = async (args, io) => {
  if (args.includes("--help") || args.includes("-h")) {
    io.stdout(usage);
    return exitCodes.success;
  }
  const unknown = args.find((argument) => argument.startsWith("-") && argument !== "-");
  if (args.length === 0 || unknown !== undefined) {
    io.stderr(
      `podkeep policy check: ${unknown === undefined ? "no file is named" : `unknown option ${unknown}`}\n\n${usage}`,
    );
    return exitCodes.usage;
  }
  try {
    const modules = [];
    for (const file of args) {
      modules.push({ name: file, text: decodeUtf8(await readInputFile(file, maxPolicyBytes, io), file) });
    }
    compilePolicy(modules, { builtins: await loadBuiltinsFor(modules) });
    return exitCodes.success;
  } catch (error) {
    if (error instanceof RegoLoadError) {
      io.stdout(error.diagnostics.map((diagnostic) => `${formatDiagnostic(diagnostic)}\n`).join(""));
    } else if (error instanceof RegoLimitError) {
      io.stdout(`${error.message}\n`);
    } else {
      io.stderr(`podkeep policy check: ${messageOf(error)}\n`);
    }
    return exitCodes.failure;
  }
};
