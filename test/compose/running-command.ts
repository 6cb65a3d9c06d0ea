import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Command } from "../../guest/core/command.ts";
import { connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import type { Identities } from "../stack/identities.ts";
import type { Scene } from "./provision/provision-fixture.ts";

/** A command that runs in this process, its standard output thrown away. */
export interface RunningCommand extends AsyncDisposable {
  readonly exitCode: Promise<number>;
  stderr(): string;
  /** As SIGTERM does. */
  stop(): void;
}

/** What a test sets of podkeep.toml: lines of its tables. */
export interface Settings {
  readonly agent?: string;
  readonly provision?: string;
}

/** Runs a daemon's command on a scene, whose paths it gets by its configuration. */
export function runCommand(command: Command, scene: Scene, port: number, settings: Settings = {}): RunningCommand {
  const root = dirname(scene.directory);
  const configuration = join(root, "podkeep.toml");
  writeFileSync(
    configuration,
    `[provision]
source = "cidata"
cidata = "${scene.cidata}"
directory = "${scene.directory}"
tpm = "off"
${settings.provision ?? ""}
[agent]
listen = "127.0.0.1:${port}"
apf_file = "${join(scene.directory, "apf.json")}"
network_namespace = ""
runtime_directory = "${join(root, "podkeep")}"
${settings.agent ?? ""}
`,
  );
  const told = new AbortController();
  let stderr = "";
  const exitCode = command(["--config", configuration], {
    stdin: (async function* () {})(),
    stdout: () => {},
    stderr: (text) => {
      stderr += text;
    },
    environment: {},
    signal: told.signal,
  });
  return {
    exitCode,
    stderr: () => stderr,
    stop: () => told.abort(),
    [Symbol.asyncDispose]: async () => {
      told.abort();
      await exitCode;
    },
  };
}

/** A connection as the worker makes it, as soon as somebody listens. Without identities: plain. */
export function connectWorker(
  port: number,
  identities: Identities | undefined,
  protocol: "ttrpc" | "grpc" = "ttrpc",
): Promise<RpcClient> {
  const tls = identities && {
    ca: identities.serverAuthority,
    ...identities.client,
    serverName: identities.serverName,
  };
  const dial = protocol === "ttrpc" ? connectTtrpc : connectGrpc;
  return repeated(() => dial({ host: "127.0.0.1", port }, { tls, timeoutMs: 5000 }));
}

/** All that a peer reads which sends these bytes, as soon as somebody listens. */
export function readAnswer(port: number, bytes: string | Uint8Array): Promise<string> {
  return repeated(
    () =>
      new Promise((resolve, reject) => {
        let text = "";
        const socket = connect({ host: "127.0.0.1", port });
        socket.on("error", reject).on("close", () => resolve(text));
        socket.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        socket.write(bytes);
      }),
  );
}

async function repeated<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 400; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await setTimeout(25);
    }
  }
}
