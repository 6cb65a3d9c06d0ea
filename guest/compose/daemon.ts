import { parseArgs } from "node:util";
import { type Command, type CommandIo, exitCodes } from "../core/command.ts";
import { describeFailure, GuestError } from "../core/errors.ts";
import { createLog, type Log } from "../core/log.ts";
import { oneLine } from "../core/one-line.ts";
import { Scope } from "../core/scope.ts";
import { readFileBounded } from "../sys/file.ts";
import { notifyServiceManager } from "../sys/notify.ts";
import { isErrno } from "../sys/system-error.ts";
import { type Configuration, parseConfiguration } from "./configuration.ts";

/** Where podkeep.toml is when the command line doesn't say; it may be missing there. */
export const defaultConfigurationFile = "/etc/podkeep/podkeep.toml";

const maxConfigurationBytes = 1024 * 1024;

/** Longest line that others are told, in characters: it has to fit into the event of a pod, which holds 1024. */
const maxReasonLength = 600;

/** What a daemon is started with. */
export interface DaemonContext {
  readonly configuration: Configuration;
  readonly log: Log;
  /** A line for operators, on standard error: in a pod VM the console, which the host reads. */
  readonly notice: (line: string) => void;
  /** Closed when the daemon is told to stop; what the daemon opens goes in here. */
  readonly scope: Scope;
  /** Gets the text of apf.json as soon as user data has brought it, before anything of it is checked or written. */
  readonly onApfFile?: (text: string) => void;
}

/** A daemon: opens everything and returns once it serves. */
export type StartDaemon = (context: DaemonContext) => Promise<void>;

/** A start that failed, for those who are to know of it. */
export interface FailedStart {
  /** The image's: the initdata that might change it may be what failed. */
  readonly configuration: Configuration;
  readonly error: unknown;
  /** What standard error said, on one line of bounded length. */
  readonly line: string;
  /** apf.json as user data brought it, if it came so far. */
  readonly apfFile: string | undefined;
  readonly log: Log;
  /** Aborted when the process is told to stop. */
  readonly signal: AbortSignal;
}

/** What `--help` says of a command, and what runs. */
export interface DaemonDescription {
  readonly name: string;
  readonly summary: string;
  readonly start: StartDaemon;
  /** Tells others of a failed start, standard error knows of it already. The process ends when it returns. */
  readonly onFailure?: (failure: FailedStart) => Promise<void>;
  /** Ends once started, as provisioning does. */
  readonly oneShot?: boolean;
}

/** Makes a subcommand of a daemon: `--config FILE`, `--help`; runs until SIGTERM; tells systemd when it serves. */
export function daemonCommand(description: DaemonDescription): Command {
  return async (args, io) => {
    const options = parseDaemonArguments(args);
    if (options.help) {
      io.stdout(usageOf(description));
      return exitCodes.success;
    }
    if (options.mistake !== undefined) {
      io.stderr(`podkeep ${description.name}: ${options.mistake}\n\n${usageOf(description)}`);
      return exitCodes.usage;
    }
    const configuration = loadConfiguration(options.config);
    const log = createLog(io.stdout, configuration.logLevel).with({ daemon: description.name });
    return runDaemon(description, configuration, log, io);
  };
}

/**
 * Reads the configuration.
 *
 * @param file undefined: the default file, or the defaults when there is none
 * @throws GuestError naming file and key
 */
export function loadConfiguration(file: string | undefined): Configuration {
  const path = file ?? defaultConfigurationFile;
  try {
    return parseConfiguration(readFileBounded(path, maxConfigurationBytes).toString("utf8"));
  } catch (cause) {
    if (file === undefined && isErrno(cause, "ENOENT")) return parseConfiguration("");
    throw new GuestError("invalid-argument", `configuration file ${path} can't be used`, { cause });
  }
}

async function runDaemon(
  description: DaemonDescription,
  configuration: Configuration,
  log: Log,
  io: CommandIo,
): Promise<number> {
  if (io.signal.aborted) return exitCodes.failure;
  const notice = (line: string): void => io.stderr(`podkeep ${description.name}: ${line}\n`);
  let apfFile: string | undefined;
  const onApfFile = (text: string): void => {
    apfFile = text;
  };
  const notifySocket = io.environment["NOTIFY_SOCKET"];
  await using scope = new Scope();
  // What waits while starting (for a network, a key broker) waits no longer when the process is told to stop.
  io.signal.addEventListener("abort", () => void scope.close().catch(() => {}), { once: true });
  try {
    await description.start({ configuration, log, notice, scope, onApfFile });
  } catch (error) {
    if (io.signal.aborted) return exitCodes.failure;
    log.error("could not start", { error });
    const reason = describeFailure(error);
    notice(reason);
    // What did start must not go on beside a refusal that may take a minute.
    await scope.close().catch((cause: unknown) => log.warn("not everything could be closed", { error: cause }));
    const line = oneLine(`podkeep ${description.name}: ${reason}`, maxReasonLength);
    await description.onFailure?.({ configuration, error, line, apfFile, log, signal: io.signal });
    return exitCodes.failure;
  }
  if (description.oneShot === true) return exitCodes.success;
  notifyServiceManager(notifySocket, "READY=1");
  await ended(scope.signal);
  notifyServiceManager(notifySocket, "STOPPING=1");
  log.info("stopping");
  return exitCodes.success;
}

/** Resolves when the scope closes: the process was told to stop, or the daemon has come to its own end. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface DaemonArguments {
  readonly help: boolean;
  readonly config: string | undefined;
  readonly mistake?: string;
}

function parseDaemonArguments(args: readonly string[]): DaemonArguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    return { help: values.help ?? false, config: values.config };
  } catch (error) {
    return { help: false, config: undefined, mistake: describeFailure(error) };
  }
}

function usageOf({ name, summary }: DaemonDescription): string {
  return `podkeep ${name}: ${summary}

usage: podkeep ${name} [--config FILE]

  --config FILE  configuration; ${defaultConfigurationFile} when absent (docs/CONFIGURATION.md)

exit codes: 0 ended well, 1 failed (the reason is on standard error), 2 wrong command line
`;
}
