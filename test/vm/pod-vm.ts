import { setTimeout } from "node:timers/promises";
import { GuestError } from "../../guest/core/errors.ts";
import { encodeAnnotation } from "../../guest/initdata/encodings.ts";
import { connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import type { Variant } from "../../image/image-configuration.ts";
import type { Accelerator } from "../../image/vm/accelerator.ts";
import { hostSeenByVm, startVirtualMachine, type VirtualMachine } from "../../image/vm/virtual-machine.ts";
import { sampleConfiguration } from "../network/pod-network-samples.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities, type Identities } from "../stack/identities.ts";

/** How long a VM may take until it answers; translated instructions need three times what was measured. */
const startTimeoutMs: Readonly<Record<Variant, number>> = { lean: 180_000, disk: 600_000 };

/** What a pod VM is started with. */
export interface PodVmOptions {
  readonly variant: Variant;
  readonly accelerator: Accelerator;
  /** Text of initdata.toml. */
  readonly initdata: string;
  /** As in {@link startVirtualMachine}. */
  readonly hasTpm?: boolean;
  readonly memoryMegabytes?: number;
  readonly addedCommandLine?: string;
  readonly disk?: string;
  readonly extraDisks?: readonly string[];
  /** User data asks for scratch space. */
  readonly scratchSpace?: boolean;
  /** Any free one when absent. */
  readonly port?: number | undefined;
}

/** A pod VM as its worker sees it. */
export interface PodVm extends AsyncDisposable {
  readonly machine: VirtualMachine;
  readonly port: number;
  readonly stateDirectory: string;
  /** What its console printed so far. */
  output(): string;
  /** A connection with the worker's certificate. */
  connect(protocol?: "ttrpc" | "grpc"): Promise<RpcClient>;
}

/**
 * Starts a VM as cloud-api-adaptor does for a pod: initdata and apf.json in its user data, TLS certificates made for it. Returns
 * when it answers a health check.
 *
 * @throws Error with the console's last lines when it powers off or takes too long
 */
export async function startPodVm(options: PodVmOptions): Promise<PodVm> {
  const identities = createIdentities();
  const port = options.port ?? (await freePort());
  const marker = options.scratchSpace === true ? [["/run/peerpod/scratch-space.marker", ""] as const] : [];
  const userData = new Map([...userDataOf(options.initdata, identities), ...marker]);
  const machine = await startVirtualMachine({ ...options, port, userData });
  const vm: PodVm = {
    machine,
    port,
    stateDirectory: "/run/kata-containers",
    output: () => machine.console(),
    connect: (protocol = "ttrpc") => connectAsWorker(port, identities, protocol),
    [Symbol.asyncDispose]: () => machine.stop(),
  };
  try {
    await answers(vm, startTimeoutMs[options.variant]);
  } catch (error) {
    await machine.stop();
    throw error;
  }
  return vm;
}

/** The user data of a pod VM: its initdata, what its port proves itself with, and a tunnel to a worker that never answers. */
export function userDataOf(initdata: string, { server, client }: Identities): ReadonlyMap<string, string> {
  const apf = {
    "pod-namespace": "default",
    "pod-name": "demo",
    "tls-server-cert": server.cert,
    "tls-server-key": server.key,
    "tls-client-ca": client.cert,
    "pod-network": { ...sampleConfiguration, "worker-node-ip": `${hostSeenByVm}/24` },
  };
  return new Map([
    ["/run/peerpod/apf.json", JSON.stringify(apf, null, 4)],
    ["/run/peerpod/initdata", encodeAnnotation(Buffer.from(initdata))],
  ]);
}

/** A connection as the worker makes it. */
export function connectAsWorker(
  port: number,
  { serverAuthority, client, serverName }: Identities,
  protocol: "ttrpc" | "grpc",
): Promise<RpcClient> {
  const tls = { ca: serverAuthority, ...client, serverName };
  return (protocol === "ttrpc" ? connectTtrpc : connectGrpc)({ host: "127.0.0.1", port }, { tls });
}

/** QEMU takes connections long before anybody in the VM listens, so only an answer counts. */
async function answers(vm: PodVm, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      const client = await vm.connect();
      await client.call(Health.methods.Check, {}, { timeoutMs: 30_000 });
      return await client.close();
    } catch (cause) {
      if (isRefusal(cause)) throw new Error("the VM could not start", { cause });
      if (!vm.machine.isRunning()) throw new Error(`the VM has ended; its console:\n${tailOf(vm.output())}`, { cause });
      if (performance.now() > deadline) {
        throw new Error(`the VM does not answer; its console:\n${tailOf(vm.output())}`, { cause });
      }
      await setTimeout(250);
    }
  }
}

/**
 * What a worker is told at last that dials a VM which can't start, from its first second on.
 *
 * @throws Error when a call succeeds, or the VM ends before it has refused one
 */
export async function awaitRefusal(machine: VirtualMachine, identities: Identities): Promise<string> {
  while (machine.isRunning()) {
    const answer: unknown = await connectAsWorker(machine.port, identities, "ttrpc")
      .then(
        (client) => client.call(Health.methods.Check, {}, { timeoutMs: 30_000 }).finally(() => client.close()),
        () => setTimeout(250),
      )
      .catch((error: unknown) => error);
    if (isRefusal(answer)) return answer.message;
    if (answer !== undefined && !(answer instanceof Error)) throw new Error("the VM serves");
  }
  throw new Error(`the VM has ended without refusing; its console:\n${tailOf(machine.console())}`);
}

function isRefusal(error: unknown): error is GuestError {
  return error instanceof GuestError && error.code === "failed-precondition";
}

function tailOf(text: string): string {
  return text.split("\n").slice(-25).join("\n");
}
