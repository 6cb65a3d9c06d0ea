import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { connectTtrpc } from "../../../guest/rpc/connect.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import type { RpcClient } from "../../../guest/rpc/method.ts";
import { removePersistentNamespace } from "../../../guest/sys/namespace.ts";
import { writeStackFiles } from "../../stack/stack.ts";
import { processorTime } from "./processor-time.ts";

const root = resolve(import.meta.dirname, "../../..");
const nodeFlags = ["--experimental-ffi", "--disable-warning=ExperimentalWarning", "--disable-proto=throw"];

/** The bundles as the image has them. @returns their folder, for the caller to remove */
export function buildBundles(): string {
  const folder = mkdtempSync(join(tmpdir(), "podkeep-bundles-"));
  execFileSync(process.execPath, [join(root, "image/bundle.ts"), folder], { cwd: root });
  return folder;
}

/** Hub and agent as processes of their own, from bundles. */
export interface Daemons extends AsyncDisposable {
  readonly stateDirectory: string;
  /** From starting both to the first answer on the agent's port. */
  readonly startMs: number;
  /** Processor time of provisioning, and of hub and agent until that answer: podkeep's own share of a VM's boot. */
  readonly startProcessorMs: number;
  connect(): Promise<RpcClient>;
  /** Proportional set size of both, in bytes. */
  memoryBytes(): number;
}

/** Starts both at the same time, as the image does once provisioning is through. */
export async function startDaemons(bundles: string, initdata: string): Promise<Daemons> {
  const files = await writeStackFiles({ initdata });
  const daemonArguments = (name: string): string[] => [
    ...nodeFlags,
    join(bundles, `${name}.cjs`),
    "--config",
    files.configuration,
  ];
  const before = processorTime("self").childrenMs;
  execFileSync(process.execPath, daemonArguments("provision"), { stdio: ["ignore", "ignore", "inherit"] });
  const provisionMs = processorTime("self").childrenMs - before;
  const { serverAuthority, client, serverName } = files.identities;
  const tls = { ca: serverAuthority, ...client, serverName };
  const connect = (): Promise<RpcClient> => connectTtrpc({ host: "127.0.0.1", port: files.port }, { tls });
  const start = performance.now();
  const children = ["hub", "agent"].map((name) =>
    spawn(process.execPath, daemonArguments(name), { stdio: ["ignore", "ignore", "inherit"] }),
  );
  await answered(connect, children);
  const startMs = performance.now() - start;
  const daemonsMs = children.map((child) => processorTime(child.pid ?? 0).totalMs);
  return {
    stateDirectory: files.stateDirectory,
    startMs,
    startProcessorMs: daemonsMs.reduce((sum, ms) => sum + ms, provisionMs),
    connect,
    memoryBytes: () => children.reduce((sum, child) => sum + proportionalSetSize(child.pid ?? 0), 0),
    async [Symbol.asyncDispose]() {
      for (const child of children.reverse()) await stop(child);
      removePersistentNamespace(files.networkNamespace);
      rmSync(files.directory, { recursive: true, force: true });
    },
  };
}

async function answered(connect: () => Promise<RpcClient>, children: readonly ChildProcess[]): Promise<void> {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    if (children.some((child) => child.exitCode !== null)) throw new Error("a daemon ended");
    try {
      const client = await connect();
      await client.call(Health.methods.Check, {});
      return await client.close();
    } catch {
      await setTimeout(2); // not yet
    }
  }
  throw new Error("the agent does not answer");
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

function proportionalSetSize(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
}
