import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "../../guest/core/command.ts";

/** What a subcommand did. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a subcommand with its own standard streams. */
export async function runCommand(command: Command, args: readonly string[], stdin = ""): Promise<CommandResult> {
  const written = { stdout: "", stderr: "" };
  const exitCode = await command(args, {
    stdin: (async function* () {
      yield new TextEncoder().encode(stdin);
    })(),
    stdout: (text) => {
      written.stdout += text;
    },
    stderr: (text) => {
      written.stderr += text;
    },
    environment: {},
    signal: new AbortController().signal,
  });
  return { exitCode, ...written };
}

/** A folder for files of one test, removed at its end by `using`. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "podkeep-test-"));

  /** Writes a file and gives its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}
