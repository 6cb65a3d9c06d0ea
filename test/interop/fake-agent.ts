import { GuestError, statusCodes } from "../../guest/core/errors.ts";
import { silentLog } from "../../guest/core/log.ts";
import type { Scope } from "../../guest/core/scope.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { servePort } from "../../guest/rpc/port.ts";
import type { ServerTls } from "../../guest/rpc/tls.ts";

/**
 * Serves an agent whose methods do what the cases in client/rpc.go ask of them, to test the protocols without containers.
 *
 * @returns the port
 */
export async function serveFakeAgent(scope: Scope, tls?: ServerTls): Promise<number> {
  const registry = new MethodRegistry({ gate: localGate, log: silentLog });
  registry.add(Health, { Check: () => ({ status: 1 }) });
  addAgent(registry);
  const listen = { host: "127.0.0.1", port: 0 };
  const { port } = await servePort({ registry, listen, tls, plain: tls === undefined, log: silentLog, scope });
  return port;
}

function addAgent(registry: MethodRegistry): void {
  const containers = new Map<string, { annotations: Readonly<Record<string, string>>; groups: readonly number[] }>();
  const stdinClosed = Promise.withResolvers<void>();
  registry.add(AgentService, {
    CopyFile: ({ path, offset }) => {
      if (path !== offset.toString()) throw new GuestError("invalid-argument", `offset ${offset} arrived for ${path}`);
      return {};
    },
    GetGuestDetails: () => ({ mem_block_size_bytes: 2n ** 64n - 1n }),
    CreateContainer: ({ container_id, OCI }) => {
      const groups = OCI?.Process?.User?.AdditionalGids ?? [];
      containers.set(container_id, { annotations: OCI?.Annotations ?? {}, groups });
      return {};
    },
    StatsContainer: ({ container_id }) => {
      const { annotations = {}, groups = [] } = containers.get(container_id) ?? {};
      const lengths: Record<string, bigint> = Object.create(null);
      for (const [key, value] of Object.entries(annotations)) lengths[key] = BigInt(Buffer.byteLength(value));
      return {
        cgroup_stats: {
          memory_stats: { stats: lengths },
          cpu_stats: { cpu_usage: { percpu_usage: groups.map(BigInt) } },
        },
      };
    },
    WriteStdin: ({ data }) => ({ len: data.length }),
    ReadStdout: ({ len }) => ({ data: new Uint8Array(len).fill(7) }),
    SignalProcess: ({ signal }) => {
      throw new GuestError(codeOf(signal), "for the log", { peerMessage: `"code ${signal}: 100 % ☃"` });
    },
    WaitProcess: async ({ container_id }, { signal }) => {
      const aborted = new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      await Promise.race(container_id === "pending" ? [stdinClosed.promise, aborted] : [aborted]);
      return { status: 42 };
    },
    CloseStdin: () => {
      stdinClosed.resolve();
      return {};
    },
  });
}

function codeOf(number: number): GuestError["code"] {
  const found = Object.entries(statusCodes).find(([, value]) => value === number)?.[0];
  if (found === undefined || found === "ok") throw new GuestError("internal", `there is no code ${number}`);
  // The keys of statusCodes besides `ok` are the error codes by definition.
  return found as GuestError["code"];
}
