import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import { type Configuration, defaultConfiguration } from "../../../guest/compose/configuration.ts";
import type { InitdataRegister, Machine } from "../../../guest/compose/provision/machine.ts";
import { provisionOn } from "../../../guest/compose/provision/provision.ts";
import { refreshOn } from "../../../guest/compose/provision/refresh.ts";
import { describeFailure } from "../../../guest/core/errors.ts";
import { createLog } from "../../../guest/core/log.ts";
import { Scope } from "../../../guest/core/scope.ts";
import { reportAzureReadiness } from "../../../guest/initdata/user-data/azure-readiness.ts";
import { cloudSource } from "../../../guest/initdata/user-data/clouds.ts";
import type { FetchClock } from "../../../guest/initdata/user-data/fetch.ts";
import type { RootFileSystem } from "../../../guest/sys/root-file-system.ts";

/** Nobody listens there: what a test does not set up fails at once and never leaves loopback. */
const nowhere = "http://127.0.0.1:9";

/** A pod VM before provisioning: a directory in place of its file system, and hardware as the test describes it. */
export interface Scene {
  /** Stands for /run/peerpod; made by provisioning. */
  readonly directory: string;
  /** Stands for /media/cidata/user-data. */
  readonly cidata: string;
  /** Stands for /dev. */
  readonly devices: string;
  readonly configuration: Configuration;
}

/** What a test says of the machine; the rest is a plain one without user data, TPM or disks. */
export interface MachineDescription {
  readonly vendor?: string;
  readonly chassisTag?: string;
  /** Origin of whatever metadata service is asked. */
  readonly metadata?: string;
  readonly register?: InitdataRegister;
  readonly root?: RootFileSystem;
  readonly clock?: FetchClock;
}

/** How a run ended. */
export interface Outcome {
  /** What the operator reads on the console; empty when it went well. */
  readonly failure: string;
  /** The log, a JSON object a line. */
  readonly log: string;
  /** Further lines on the console. */
  readonly notices: readonly string[];
}

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Sets a scene. @param settings of `[provision]`, beside the paths */
export function setScene(
  settings: Partial<Configuration["provision"]> = {},
  agent: Partial<Configuration["agent"]> = {},
): Scene {
  const root = mkdtempSync(join(tmpdir(), "podkeep-provision-"));
  directories.push(root);
  const directory = join(root, "peerpod");
  const cidata = join(root, "cidata");
  const devices = join(root, "dev");
  mkdirSync(devices);
  const paths = { directory, cidata, initdata: join(directory, "initdata") };
  const configuration: Configuration = {
    ...defaultConfiguration,
    agent: {
      ...defaultConfiguration.agent,
      apfFile: join(directory, "apf.json"),
      networkNamespace: "",
      tls: "off",
      ...agent,
    },
    provision: { ...defaultConfiguration.provision, ...paths, ...settings },
  };
  return { directory, cidata, devices, configuration };
}

/** Provisions; a failure is told as the console tells it. */
export function runProvision(scene: Scene, machine: MachineDescription = {}): Promise<Outcome> {
  return run(provisionOn, scene, machine);
}

/** Refreshes what has been provisioned. */
export function runRefresh(scene: Scene, machine: MachineDescription = {}): Promise<Outcome> {
  return run(refreshOn, scene, machine);
}

async function run(start: typeof provisionOn, scene: Scene, machine: MachineDescription): Promise<Outcome> {
  const lines: string[] = [];
  const notices: string[] = [];
  const notice = (line: string): void => void notices.push(line);
  const log = createLog((line) => lines.push(line));
  await using scope = new Scope();
  try {
    await start(createMachine(scene, machine), { configuration: scene.configuration, log, notice, scope });
    return { failure: "", log: lines.join(""), notices };
  } catch (error) {
    return { failure: describeFailure(error), log: lines.join(""), notices };
  }
}

function createMachine(scene: Scene, description: MachineDescription): Machine {
  const { vendor = "QEMU", chassisTag = "", metadata = nowhere, register, clock = countingClock().clock } = description;
  const { root = { type: "ext4", isReadonly: false, mapperId: undefined } } = description;
  return {
    identity: () => ({ vendor, chassisTag }),
    readRootFileSystem: () => root,
    cloudSource: (cloud) => cloudSource(cloud, metadata),
    reportReadiness: (access) => reportAzureReadiness(access, metadata),
    deviceDirectory: scene.devices,
    openRegister: async () => register,
    clock,
  };
}

/** A clock that counts what was slept instead of sleeping. */
export function countingClock(): { readonly clock: FetchClock; readonly slept: number[] } {
  const slept: number[] = [];
  const now = (): number => slept.reduce((sum, ms) => sum + ms, 0);
  const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    slept.push(ms);
  };
  return { clock: { now, sleep }, slept };
}

/** Puts a file where something else has left it before provisioning, for all to read. */
export function leaveFile(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode: 0o644 });
}

/** Names and texts of what provisioning has left. */
export function leftFiles(scene: Scene): Readonly<Record<string, string>> {
  if (!existsSync(scene.directory)) return {};
  const names = readdirSync(scene.directory).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(scene.directory, name), "utf8")]));
}

/** Permission bits of a file. */
export function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

/** A cloud-config as the worker writes it (spec/userdata.md 4). */
export function cloudConfig(files: Readonly<Record<string, string>>): string {
  const entries = Object.entries(files).map(([name, content]) => {
    const path = name.startsWith("/") ? name : `/run/peerpod/${name}`;
    const indented = content.trimEnd().split("\n").join("\n      ");
    return `  - path: ${path}\n${content === "" ? "" : `    content: |\n      ${indented}\n`}`;
  });
  return `#cloud-config\n\nwrite_files:\n${entries.join("")}`;
}
