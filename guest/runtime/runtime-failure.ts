import { GuestError } from "../core/errors.ts";
import { readFileIfPresent } from "../sys/file.ts";
import { maxRuntimeLogBytes } from "./limits.ts";

/**
 * What crun and runc say when the program of a container cannot be found or run. crun: "executable file `x` not found in
 * $PATH", "open executable `x`". runc: `exec: "x": executable file not found in $PATH`, `exec: "/x": stat /x: no such file or
 * directory`, `exec: "/x": permission denied`.
 */
const missingProgram =
  /executable file (?:`(?<crun>[^`]*)` )?not found|exec: "(?<runc>[^"]*)": (?:executable file not found|stat .*no such file)/u;

/**
 * The reason why the OCI runtime failed, from the log that it has written.
 *
 * @param command such as `create`
 * @param logFile JSON lines with `level` and `msg`, as both runtimes write them
 */
export function runtimeFailure(command: string, logFile: string): GuestError {
  const reason = lastError(readFileIfPresent(logFile, maxRuntimeLogBytes)?.toString() ?? "");
  if (reason === undefined) return new GuestError("internal", `the OCI runtime failed to ${command} the container`);
  const found = missingProgram.exec(reason);
  if (found !== null) {
    const program = found.groups?.["crun"] ?? found.groups?.["runc"] ?? /exec: "([^"]*)"/u.exec(reason)?.[1] ?? "";
    return new MissingProgramError(program, reason);
  }
  return new GuestError("internal", `the OCI runtime failed to ${command} the container: ${reason}`);
}

/** The program that a process should run is not in the container. */
export class MissingProgramError extends GuestError {
  override readonly name = "MissingProgramError";

  constructor(program: string, reason: string) {
    super("internal", `the file ${program} was not found`, { fields: { reason } });
  }
}

function lastError(log: string): string | undefined {
  for (const line of log.trimEnd().split("\n").reverse()) {
    const entry = parseLine(line);
    if (entry?.level === "error" || entry?.level === "fatal") return entry.message;
  }
  return undefined;
}

function parseLine(line: string): { readonly level: string; readonly message: string } | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("level" in entry) || !("msg" in entry)) return undefined;
    return { level: String(entry.level), message: String(entry.msg) };
  } catch {
    // A line that the runtime was killed in the middle of tells nothing.
    return undefined;
  }
}
