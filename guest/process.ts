import process, { argv, env, exit, stderr, stdin, stdout } from "node:process";
import { type Command, type CommandIo, exitCodes } from "./core/command.ts";
import { describeFailure } from "./core/errors.ts";

/**
 * Runs a command as this process: hands it the process's streams, environment and signals, and ends with its exit code. A
 * failure that the command let through is one line on standard error and exit code 1.
 *
 * @param name what the line begins with
 */
export async function runAsProcess(
  name: string,
  command: Command,
  args: readonly string[] = argv.slice(2),
): Promise<never> {
  for (const stream of [stdout, stderr]) stream.on("error", ignoreMissingReader);
  const io: CommandIo = {
    stdin,
    stdout: (text) => void stdout.write(text),
    stderr: (text) => void stderr.write(text),
    environment: env,
    signal: untilToldToStop(),
  };
  let exitCode: number = exitCodes.failure;
  try {
    exitCode = await command(args, io);
  } catch (error) {
    io.stderr(`podkeep ${name}: ${describeFailure(error)}\n`);
  }
  await Promise.all([drained(stdout), drained(stderr)]);
  exit(exitCode);
}

/** Whoever reads may go, such as a pager, or the log service: its restart is not to end a daemon, and with it the pod. */
function ignoreMissingReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Aborted by the first SIGTERM or SIGINT; the second one ends the process at once. */
function untilToldToStop(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) exit(exitCodes.failure);
    controller.abort();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return controller.signal;
}

/** Exit drops what a pipe has not taken yet, so wait until it has. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}
