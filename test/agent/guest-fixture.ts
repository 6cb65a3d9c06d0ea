import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgentService } from "../../guest/agent/agent-service.ts";
import { defaultAgentSettings } from "../../guest/agent/default-settings.ts";
import type { AgentDependencies } from "../../guest/agent/dependencies.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { createLog, silentLog } from "../../guest/core/log.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { Gate, MessageInit, MethodDefinition } from "../../guest/rpc/method.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import { createGuestPaths, type GuestPaths } from "../../guest/runtime/guest-paths.ts";
import type { ImagePuller } from "../../guest/runtime/image-puller.ts";
import { OciRuntime } from "../../guest/runtime/oci-runtime.ts";
import { ChildReaper } from "../../guest/sys/child-reaper.ts";
import { mount, readMountTable, unmount } from "../../guest/sys/mount.ts";

type Methods = typeof AgentService.methods;
type RequestOf<M> = M extends MethodDefinition<infer Request, infer _> ? Request : never;
type ResponseOf<M> = M extends MethodDefinition<infer _, infer Response> ? Response : never;

/** Why tests that run containers cannot run here; undefined when they can. */
export const whyNoContainers: string | undefined =
  process.getuid?.() !== 0
    ? "needs root"
    : !existsSync("/usr/sbin/runc") || !existsSync("/bin/busybox")
      ? "needs runc and busybox-static"
      : undefined;

if (whyNoContainers !== undefined) console.warn(`container tests are skipped: ${whyNoContainers}`);

/** `AGENT_TEST_LOG=1` shows why a call failed. */
const log =
  process.env["AGENT_TEST_LOG"] === "1" ? createLog((line) => process.stderr.write(line), "debug") : silentLog;

/** What a test may change of the agent that it gets. */
export interface FixtureOptions {
  readonly runtimeProgram?: string;
  readonly settings?: Partial<AgentDependencies["settings"]>;
  readonly dependencies?: Partial<AgentDependencies>;
  readonly networkNamespace?: string;
  /** A policy: what it gives is thrown. */
  readonly refuse?: (method: MethodDefinition) => GuestError | undefined;
}

/** An agent in a directory of its own, called through a registry whose gate allows all. */
export class GuestFixture {
  readonly root: string;
  readonly paths: GuestPaths;
  // A dead helper of the runtime that nobody takes in keeps its container's process namespace from ending.
  readonly reaper = new ChildReaper({ orphanGraceMs: 1000 });
  readonly dependencies: AgentDependencies;
  destroyed = 0;
  readonly #registry: MethodRegistry;

  constructor(options: FixtureOptions = {}) {
    this.root = mkdtempSync(join(tmpdir(), "pk-"));
    this.paths = createGuestPaths({
      base: join(this.root, "run"),
      cloudVolumes: join(this.root, "volumes"),
      kubeletPods: join(this.root, "kubelet/pods"),
      devices: { sys: join(this.root, "sys"), dev: join(this.root, "dev") },
      namespaces: join(this.root, "ns"),
      runtimeState: join(this.root, "state"),
      consoleSockets: join(this.root, "con"),
      pauseBundle: join(this.root, "pause_bundle"),
      cgroupParent: `/podkeep-test-${process.pid}-${this.root.slice(-6)}`,
      networkNamespace: options.networkNamespace,
    });
    makeImage(join(this.root, "image"));
    makePauseBundle(this.paths.pauseBundle);
    this.dependencies = {
      paths: this.paths,
      settings: { ...defaultAgentSettings, ...options.settings },
      runtime: new OciRuntime({
        program: options.runtimeProgram ?? "/usr/sbin/runc",
        stateDirectory: this.paths.runtimeState,
      }),
      reaper: this.reaper,
      imagePuller: this.#imagePuller(),
      unsealer: undefined,
      encryptedDisks: undefined,
      network: undefined,
      policy: undefined,
      log,
      now: () => performance.now(),
      onDestroyed: () => this.destroyed++,
      ...options.dependencies,
    };
    const services = createAgentService(this.dependencies);
    this.#registry = new MethodRegistry({ gate: gateOf(options.refuse), log });
    this.#registry.add(AgentService, services.agent);
    this.#registry.add(Health, services.health);
  }

  /** Calls a method as a server does: bytes in, bytes out. */
  async call<Name extends keyof Methods>(
    name: Name,
    request: MessageInit<RequestOf<Methods[Name]>>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<ResponseOf<Methods[Name]>> {
    const method: MethodDefinition = AgentService.methods[name];
    const context = { signal, metadata: new Map(), protocol: "local" as const, connection: 1, log };
    const response = await this.#registry
      .find("grpc.AgentService", name)
      .invoke(encodeMessage(method.request, request), context);
    // The registry has encoded it by the same schema.
    return decodeMessage(method.response, response, { unknownFields: "reject" }) as ResponseOf<Methods[Name]>;
  }

  /** Ends the fixture. What the agent has left behind is the return value: mounts, control groups, bundles, processes. */
  async close(): Promise<string[]> {
    // Others on the machine mount and unmount meanwhile; the agent has no business outside its directory.
    const leftMounts = readMountTable()
      .map(({ mountPoint }) => mountPoint)
      .filter((mountPoint) => mountPoint.startsWith(this.root));
    const left = [
      ...leftMounts.map((mountPoint) => `mount ${mountPoint}`),
      ...controlGroups(this.paths.cgroupParent).map((directory) => `cgroup ${directory}`),
      ...readdirSync(this.paths.runtimeState).map((name) => `runtime record ${name}`),
      ...readdirSync(this.paths.namespaces).map((name) => `namespace ${name}`),
      ...readdirSync(this.paths.base).flatMap((name) =>
        ["shared", "sandbox"].includes(name) ? [] : [`bundle ${name}`],
      ),
      ...processesNaming(this.root).map((command) => `process ${command}`),
    ];
    for (const mountPoint of leftMounts.reverse()) unmount(mountPoint, { lazy: true });
    this.reaper.close();
    rmSync(this.root, { recursive: true, force: true });
    return left;
  }

  /** Lays the image over a writable directory of the bundle, as the hub does. */
  #imagePuller(): ImagePuller {
    return {
      pullImage: async (reference, bundlePath) => {
        if (!reference.startsWith("busybox")) throw new GuestError("not-found", `no such image: ${reference}`);
        for (const name of ["rootfs", "upper", "work"]) mkdirSync(join(bundlePath, name));
        const layers = `lowerdir=${join(this.root, "image")},upperdir=${join(bundlePath, "upper")},workdir=${join(bundlePath, "work")}`;
        const linked = /^busybox-link-(\w+)$/.exec(reference)?.[1];
        if (linked !== undefined) plantLink(join(bundlePath, "upper", linked));
        mount({ source: "overlay", target: join(bundlePath, "rootfs"), type: "overlay", data: layers });
      },
    };
  }
}

function gateOf(refuse: FixtureOptions["refuse"]): Gate {
  return {
    decide: (method, request, context) => {
      const refusal = refuse?.(method);
      if (refusal !== undefined) throw refusal;
      return localGate.decide(method, request, context);
    },
  };
}

const applets = "sh cat sleep true false echo head dd id mount ls stty tty yes hostname env kill ps test mknod".split(
  " ",
);

function makeImage(directory: string): void {
  for (const name of ["bin", "proc", "sys", "dev", "tmp", "etc"]) mkdirSync(join(directory, name), { recursive: true });
  copyFileSync("/bin/busybox", join(directory, "bin/busybox"));
  for (const applet of applets) {
    linkSync(join(directory, "bin/busybox"), join(directory, "bin", applet));
  }
  writeFileSync(join(directory, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
}

/** As an image build makes it from Debian's busybox-static: a shell that takes in orphans and ends when told to. */
function makePauseBundle(directory: string): void {
  mkdirSync(join(directory, "rootfs"), { recursive: true });
  copyFileSync("/bin/busybox", join(directory, "rootfs/busybox"));
  const script = "trap 'exit 0' TERM INT; while :; do /busybox sleep 86400 & wait $!; done";
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/busybox", "sh", "-c", script], env: [], cwd: "/", user: { uid: 0, gid: 0 } },
    root: { path: "rootfs" },
  };
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
}

/** In the upper layer a link hides the image's directory. */
function plantLink(path: string): void {
  symlinkSync("/etc", path);
}

function controlGroups(parent: string): string[] {
  return ["", ...readdirSync("/sys/fs/cgroup")]
    .map((hierarchy) => join("/sys/fs/cgroup", hierarchy, parent))
    .filter((directory) => existsSync(directory));
}

/** Programs whose command line or root is in the fixture's directory. */
function processesNaming(root: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const table = readMountTable(`/proc/${pid}/mountinfo`);
        return table.some(
          (entry) => entry.mountPoint === "/" && entry.superOptions.some((option) => option.includes(root)),
        )
          ? [pid]
          : [];
      } catch {
        return [];
      }
    });
}
