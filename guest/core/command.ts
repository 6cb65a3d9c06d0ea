/** What a subcommand of podkeep gets from the process; main.ts is the only file that touches the process itself. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  stdout(text: string): void;
  stderr(text: string): void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
}

/**
 * A subcommand.
 *
 * @param args what stands behind the subcommand's name
 * @returns the exit code, see {@link exitCodes}
 */
export type Command = (args: readonly string[], io: CommandIo) => Promise<number>;

/** Exit codes that all subcommands share. */
export const exitCodes = {
  /** Done, allowed, valid. */
  success: 0,
  /** Refused, failed, denied or invalid; the reason is on standard error. */
  failure: 1,
  /** The command line is wrong; standard error says how. */
  usage: 2,
  /** The peer could not be reached. */
  unreachable: 3,
} as const;
