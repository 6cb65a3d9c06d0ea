import { type Command, type CommandIo, exitCodes } from "../core/command.ts";
import { messageOf } from "../core/errors.ts";

/** The command line is wrong. */
export class UsageError extends Error {}

/**
 * Makes a subcommand of what it does: prints failures on standard error, behind a wrong command line the usage, too.
 *
 * @param action throws {@link UsageError} or what `parseArgs` throws for a wrong command line; returns an exit code
 */
export function createCommand(
  name: string,
  usage: string,
  action: (args: readonly string[], io: CommandIo) => Promise<number>,
): Command {
  return async (args, io) => {
    if (args.includes("--help") || args.includes("-h")) {
      io.stdout(usage);
      return exitCodes.success;
    }
    try {
      return await action(args, io);
    } catch (error) {
      const isUsage = isUsageError(error);
      io.stderr(`podkeep ${name}: ${messageOf(error)}\n${isUsage ? `\n${usage}` : ""}`);
      return isUsage ? exitCodes.usage : exitCodes.failure;
    }
  };
}

/** Whether the command line is at fault: a {@link UsageError}, or what `parseArgs` throws. */
export function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
}

/** Parses an option's value; what the parser throws is the command line's fault. @throws UsageError naming the option */
export function parseOption<T>(text: string, option: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${messageOf(cause)}`, { cause });
  }
}

/** Bytes in hex, as an option has them. @throws UsageError naming the option */
export function parseHexOption(text: string, option: string): Uint8Array {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) throw new UsageError(`${option} is not hex`);
  return Buffer.from(text, "hex");
}
