import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connectGrpc, connectTtrpc, type ServerAddress } from "../../guest/rpc/connect.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import { writePauseBundle } from "../../image/pause.ts";
import { freePort } from "./free-port.ts";
import { createIdentities, type Identities } from "./identities.ts";

const root = resolve(import.meta.dirname, "../..");
const launcher = join(root, "guest/cli/podkeep");

/** How long the stack may take until it answers. Slow machines are given their time; it is measured in the benchmark. */
const startTimeoutMs = 60_000;

/** What a stack is started with. */
export interface StackOptions {
  /** Text of initdata.toml; absent: the pod has none. */
  readonly initdata?: string;
  readonly expectedDigest?: string;
  /** The policy that rules without initdata; deny-all when absent. */
  readonly defaultPolicy?: string;
  readonly restFeatures?: "resource" | "attestation" | "all";
  /** Plain TCP instead of mutual TLS. */
  readonly plain?: boolean;
  /** Address and port of the agent; a free port on loopback when absent. */
  readonly listen?: string;
  readonly runtime?: string;
  readonly logLevel?: "info" | "debug";
  /** Other fields of apf.json, or other values. */
  readonly apf?: Readonly<Record<string, unknown>>;
  /** What worker and pod VM prove themselves with; made when absent. */
  readonly identities?: Identities;
  /** What to run: the daemons from their sources when absent. */
  readonly command?: readonly string[];
}

/** A running podkeep with everything of its own: directories, port, network namespace, cgroup. */
export interface Stack extends AsyncDisposable {
  /** Holds all its files; on a tmpfs, as in a pod VM. */
  readonly directory: string;
  readonly stateDirectory: string;
  readonly networkNamespace: string;
  readonly cgroupParent: string;
  readonly port: number;
  readonly identities: Identities;
  readonly process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** A connection as the worker makes it. */
  connect(protocol?: "ttrpc" | "grpc"): Promise<RpcClient>;
  /** Stops it and removes its directory. */
  stop(): Promise<void>;
}

/** Writes configuration, starts `podkeep serve`, waits until it answers a health check. Needs root. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const files = await writeStackFiles(options);
  const [program = launcher, ...args] = options.command ?? [launcher, "serve"];
  const child = spawn(program, [...args, "--config", files.configuration], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
    });
  }
  const stack: Stack = {
    ...files,
    process: child,
    output: () => output,
    connect: (protocol = "ttrpc") =>
      connectWorker({ host: "127.0.0.1", port: files.port }, options.plain ? undefined : files.identities, protocol),
    stop: () => stopStack(child, files.directory),
    [Symbol.asyncDispose]: () => stopStack(child, files.directory),
  };
  try {
    await answers(stack);
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return stack;
}

/** Where the parts of a stack are. */
export interface StackFiles {
  readonly directory: string;
  readonly stateDirectory: string;
  readonly networkNamespace: string;
  readonly cgroupParent: string;
  readonly port: number;
  readonly identities: Identities;
  readonly configuration: string;
}

/** Everything that a stack reads. Also for tests that start daemons one by one. */
export async function writeStackFiles(options: StackOptions = {}): Promise<StackFiles> {
  const directory = mkdtempSync("/run/podkeep-test-");
  const path = (...names: string[]): string => join(directory, ...names);
  const name = directory.slice("/run/".length);
  const port = await freePort();
  const identities = options.identities ?? createIdentities();
  const networkNamespace = path("podns");
  const cgroupParent = `/${name}`;
  mkdirSync(path("peerpod"));
  writePauseBundle(path("pause_bundle"));
  writeFileSync(path("default-policy.rego"), options.defaultPolicy ?? readFileSync(join(root, "policy/deny-all.rego")));
  if (options.initdata !== undefined) writeFileSync(path("peerpod/initdata"), options.initdata);
  writeFileSync(path("peerpod/apf.json"), JSON.stringify({ ...apfOf(identities), ...options.apf }));
  const configuration = path("podkeep.toml");
  writeFileSync(
    configuration,
    `log_level = "${options.logLevel ?? "info"}"

[provision]
source = "file"
tpm = "off"
initdata = "${path("peerpod/initdata")}"
expected_digest = "${options.expectedDigest ?? ""}"
directory = "${path("peerpod")}"

[hub]
attestation_agent_socket = "${path("hub/attestation-agent.sock")}"
data_hub_socket = "${path("hub/cdh.sock")}"
rest_features = "${options.restFeatures ?? "resource"}"
image_store = "${path("image")}"

[agent]
listen = "${options.listen ?? `127.0.0.1:${port}`}"
tls = "${options.plain === true ? "off" : "required"}"
apf_file = "${path("peerpod/apf.json")}"
network_namespace = "${networkNamespace}"
runtime = "${options.runtime ?? "runc"}"
pause_bundle = "${path("pause_bundle")}"
state_directory = "${path("kata-containers")}"
runtime_directory = "${path("podkeep")}"
cgroup_parent = "${cgroupParent}"
default_policy = "${path("default-policy.rego")}"
`,
  );
  const stateDirectory = path("kata-containers");
  return { directory, stateDirectory, networkNamespace, cgroupParent, port, identities, configuration };
}

function apfOf(identities: Identities): Record<string, unknown> {
  return {
    "pod-name": "demo",
    "pod-namespace": "default",
    "tls-server-cert": identities.server.cert,
    "tls-server-key": identities.server.key,
    "tls-client-ca": identities.client.cert,
  };
}

/** Connects as the worker does: with these identities, or without TLS when there are none. */
export function connectWorker(
  address: ServerAddress,
  identities: Identities | undefined,
  protocol: "ttrpc" | "grpc" = "ttrpc",
): Promise<RpcClient> {
  const options = identities && {
    tls: { ca: identities.serverAuthority, ...identities.client, serverName: identities.serverName },
  };
  return (protocol === "ttrpc" ? connectTtrpc : connectGrpc)(address, options);
}

/** Polls as cloud-api-adaptor does. A process that ended won't answer any more: what it printed says why. */
async function answers(stack: Stack): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    if (stack.process.exitCode !== null)
      throw new Error(`podkeep ended with ${stack.process.exitCode}:\n${stack.output()}`);
    try {
      const client = await stack.connect();
      await client.call(Health.methods.Check, {}, { timeoutMs: 5000 });
      return await client.close();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`podkeep does not answer:\n${stack.output()}`, { cause: error });
      await setTimeout(20);
    }
  }
}

async function stopStack(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const killer = globalThis.setTimeout(() => child.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(killer);
  }
  rmSync(directory, { recursive: true, force: true });
}
