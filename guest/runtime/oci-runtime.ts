import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { readFileIfPresent, removeFile, writeFileAtomically } from "../sys/file.ts";
import { runProgram } from "../sys/program.ts";
import { maxRuntimeOutputBytes, runtimeCommandTimeoutMs } from "./limits.ts";
import { encodeOciJson } from "./oci-json.ts";
import type { OciProcess, OciResources } from "./oci-spec.ts";
import { runtimeFailure } from "./runtime-failure.ts";

/** What a new process gets as standard input, output and error. */
export type ProcessStdio =
  /** The ends of pipes that belong to the process; the caller closes its own copies afterwards. */
  | { readonly kind: "pipes"; readonly stdinFd: number; readonly stdoutFd: number; readonly stderrFd: number }
  /** A terminal, whose other side the runtime sends to this socket. */
  | { readonly kind: "terminal"; readonly consoleSocket: string }
  | { readonly kind: "none" };

/** Which OCI runtime to drive. */
export interface OciRuntimeOptions {
  /** Absolute path of crun or runc. */
  readonly program: string;
  /** Its records, apart from those of other users of the same program; made when missing. */
  readonly stateDirectory: string;
}

/**
 * A stock OCI runtime, crun or runc, driven by its command line (spec/agent-rpc.md 11.8). Knows nothing of sandboxes: ids are
 * plain names, directories are given.
 *
 * All methods throw GuestError `internal` with the runtime's own reason when it fails, `deadline-exceeded` when it hangs.
 */
export class OciRuntime {
  readonly #program: string;
  readonly #stateDirectory: string;

  constructor(options: OciRuntimeOptions) {
    this.#program = options.program;
    this.#stateDirectory = options.stateDirectory;
  }

  /** The first line of `--version`, such as `runc version 1.1.5`. */
  async version(): Promise<string> {
    const { stdout, exitCode } = await runProgram(this.#program, ["--version"], { timeoutMs: runtimeCommandTimeoutMs });
    if (exitCode !== 0) throw new GuestError("failed-precondition", `${this.#program} --version failed`);
    return stdout.toString().split("\n", 1)[0] ?? "";
  }

  /**
   * Sets up a container up to the point before its program starts.
   *
   * @param bundle directory with config.json
   * @returns id of the waiting process, which becomes our child
   */
  create(id: string, bundle: string, stdio: ProcessStdio): Promise<number> {
    const command = ["create", "--bundle", bundle, ...consoleOption(stdio)];
    return this.#launch(bundle, (pidFile) => [...command, "--pid-file", pidFile, id], stdio);
  }

  /** Lets the program of a created container start. */
  async start(id: string, bundle: string): Promise<void> {
    await this.#run(bundle, ["start", id]);
  }

  /**
   * Starts another process in a container whose first one lives.
   *
   * @returns its id; it becomes our child
   */
  exec(id: string, bundle: string, process: OciProcess, stdio: ProcessStdio): Promise<number> {
    const processFile = temporaryFile(bundle, "json");
    const command = ["exec", "--detach", "--process", processFile, ...consoleOption(stdio)];
    writeFileAtomically(processFile, encodeOciJson(process));
    return this.#launch(bundle, (pidFile) => [...command, "--pid-file", pidFile, id], stdio).finally(() =>
      removeFile(processFile),
    );
  }

  /** Stops all processes of a container where they are. */
  async pause(id: string, bundle: string): Promise<void> {
    await this.#run(bundle, ["pause", id]);
  }

  /** Lets them go on. */
  async resume(id: string, bundle: string): Promise<void> {
    await this.#run(bundle, ["resume", id]);
  }

  /** Applies limits. */
  async update(id: string, bundle: string, resources: OciResources): Promise<void> {
    // A file, since crun cannot read resources from a socket, which is what Node's standard input is.
    const resourcesFile = temporaryFile(bundle, "json");
    writeFileAtomically(resourcesFile, encodeOciJson(resources));
    await this.#run(bundle, ["update", "--resources", resourcesFile, id]).finally(() => removeFile(resourcesFile));
  }

  /** Kills what still runs in a container and removes its cgroup and record. A container that isn't there is fine. */
  async delete(id: string, bundle: string): Promise<void> {
    await this.#run(bundle, ["delete", "--force", id]);
  }

  async #launch(bundle: string, command: (pidFile: string) => string[], stdio: ProcessStdio): Promise<number> {
    const pidFile = temporaryFile(bundle, "pid");
    try {
      await this.#run(bundle, command(pidFile), stdioOptions(stdio));
      const pid = Number(readFileIfPresent(pidFile, 32)?.toString());
      if (!Number.isSafeInteger(pid) || pid < 2) throw new GuestError("internal", "the OCI runtime named no process");
      return pid;
    } finally {
      removeFile(pidFile);
    }
  }

  async #run(bundle: string, args: readonly string[], options: Parameters<typeof runProgram>[2] = {}): Promise<void> {
    const logFile = temporaryFile(bundle, "log");
    const globals = ["--root", this.#stateDirectory, "--log", logFile, "--log-format", "json"];
    try {
      const { exitCode } = await runProgram(this.#program, [...globals, ...args], {
        timeoutMs: runtimeCommandTimeoutMs,
        maxOutputBytes: maxRuntimeOutputBytes,
        ...options,
      });
      if (exitCode !== 0) throw runtimeFailure(args[0] ?? "", logFile);
    } finally {
      removeFile(logFile);
    }
  }
}

function consoleOption(stdio: ProcessStdio): string[] {
  return stdio.kind === "terminal" ? ["--console-socket", stdio.consoleSocket] : [];
}

function stdioOptions(stdio: ProcessStdio): Parameters<typeof runProgram>[2] {
  if (stdio.kind !== "pipes") return {};
  return { stdin: { fd: stdio.stdinFd }, stdoutFd: stdio.stdoutFd, stderrFd: stdio.stderrFd };
}

/** A name in the bundle that nothing else has; removed with the bundle at the latest. */
function temporaryFile(bundle: string, extension: string): string {
  return posix.join(bundle, `${randomUUID()}.${extension}`);
}
