import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { type ConnectOptions, connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { Gate, Handlers, RpcClient } from "../../guest/rpc/method.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { type OpenPort, type PortOptions, servePort } from "../../guest/rpc/port.ts";

/** What a test wants of its port. */
export interface TestPortOptions extends Pick<PortOptions, "tls" | "plain" | "limits" | "onConnections"> {
  readonly handlers?: Handlers<typeof AgentService>;
  readonly gate?: Gate;
  /** What it listens on; 127.0.0.1 when absent. */
  readonly host?: string;
}

/** A port on loopback with a healthy Health service. */
export interface TestPort extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  connect(protocol: "ttrpc" | "grpc", options?: ConnectOptions): Promise<RpcClient>;
  readonly replaceTls: OpenPort["replaceTls"];
}

/** Opens a port; disposing of it closes the port and every client that it made. */
export async function openTestPort(options: TestPortOptions = {}): Promise<TestPort> {
  const { handlers = {}, gate = localGate, host = "127.0.0.1", plain = options.tls === undefined, ...rest } = options;
  const scope = new Scope();
  const registry = new MethodRegistry({ gate, log: silentLog });
  registry.add(Health, { Check: () => ({ status: 1 }) });
  registry.add(AgentService, handlers);
  const listen = { host, port: 0 };
  const { port, replaceTls } = await servePort({ registry, listen, plain, log: silentLog, scope, ...rest });
  const address = { host: "127.0.0.1", port };
  return {
    address,
    replaceTls,
    async connect(protocol, connectOptions = {}) {
      const client = await (protocol === "ttrpc" ? connectTtrpc : connectGrpc)(address, connectOptions);
      scope.add("client", () => client.close());
      return client;
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}
