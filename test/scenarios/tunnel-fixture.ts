import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createPersistentNamespace, inNamespace, removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { ip } from "../network/support.ts";
import { connectWorkerSide } from "../network/worker-side.ts";

/** Addresses of the cables between worker, pod VM and a machine that has no business with either. */
export const addresses = {
  worker: "10.10.0.1",
  vm: "10.10.0.2",
  stranger: "10.10.0.9",
  cluster: "10.128.0.1",
  pod: "10.128.0.2",
} as const;

/**
 * Network namespaces for a worker node and a pod VM with a cable between them (spec/podnetwork.md 1). Their NICs have addresses, and
 * the worker's half of the tunnel is there before the VM is started, as with cloud-api-adaptor.
 */
export interface WorkerAndVm extends AsyncDisposable {
  /** The pod VM's own namespace; its NIC is `ens3`. */
  readonly vm: string;
  /** The worker node's. It has the address of a stranger, too. */
  readonly node: string;
  /** The cluster's network behind the worker's CNI. */
  readonly cluster: string;
  /** A Unix socket that leads to a TCP port of the VM by the cable. */
  forward(port: number): Promise<string>;
  /** Starts a process in a namespace; it is killed in the end if it still runs. */
  spawn(namespace: string, program: string, args: readonly string[]): ChildProcess;
}

/** @param tunnel what the worker's end of it has */
export async function buildWorkerAndVm(tunnel: { vxlanId: number; vxlanPort: number }): Promise<WorkerAndVm> {
  const directory = mkdtempSync("/run/podkeep-test-network-");
  const create = async (name: string): Promise<string> => {
    const path = join(directory, name);
    createPersistentNamespace("net", path);
    await ip(path, "link set lo up");
    return path;
  };
  const namespaces = [
    await create("vm"),
    await create("node"),
    await create("worker-pod"),
    await create("cluster"),
  ] as const;
  const [vm, node, workerPod, cluster] = namespaces;
  await ip(node, `link add uplink type veth peer name ens3 netns ${vm}`);
  for (const address of [addresses.worker, addresses.stranger]) await ip(node, `address add ${address}/24 dev uplink`);
  await ip(node, "link set uplink up");
  await ip(vm, `address add ${addresses.vm}/24 dev ens3`);
  await ip(vm, "link set ens3 up");
  await ip(vm, `route add default via ${addresses.worker}`);
  await connectWorkerSide({ node, workerPod, cluster }, { vmAddress: addresses.vm, ...tunnel });

  const children: ChildProcess[] = [];
  const start: WorkerAndVm["spawn"] = (namespace, program, args) => {
    // The fork happens before spawn returns, on this thread.
    const child = inNamespace("net", namespace, () => spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] }));
    children.push(child);
    return child;
  };
  return {
    vm,
    node,
    cluster,
    spawn: start,
    async forward(port) {
      const socket = join(directory, `to-${port}`);
      const script = `const net = require("net"); net.createServer((near) => {
        const far = net.connect(${port}, "${addresses.vm}"); near.pipe(far).pipe(near);
        const end = () => { near.destroy(); far.destroy(); };
        for (const side of [near, far]) side.on("error", end).on("close", end); }).listen("${socket}")`;
      const forwarder = start(node, process.execPath, ["-e", script]);
      while (forwarder.exitCode === null && !existsSync(socket)) await setTimeout(20);
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => stopProcess(child, "SIGKILL")));
      for (const namespace of namespaces) removePersistentNamespace(namespace);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** How long a process may take to end before it is killed. */
const endTimeoutMs = 20_000;

/** Ends a process and waits until it is gone. */
export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  const killer = globalThis.setTimeout(() => child.kill("SIGKILL"), endTimeoutMs);
  await ended;
  clearTimeout(killer);
}
