import { once } from "node:events";
import { connect as connectNet } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { type ConnectOptions, connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { MethodDefinition, RpcClient } from "../../guest/rpc/method.ts";
import { type PortOptions, servePort } from "../../guest/rpc/port.ts";
import { RefusedMethods } from "../../guest/rpc/refused-methods.ts";
import { createIdentities } from "./identities.ts";

const reason = "podkeep provision: the initdata can't be used";
const refused = { code: "failed-precondition", message: reason };
const identities = createIdentities();
const connectBy = { ttrpc: connectTtrpc, grpc: connectGrpc };

interface RefusingPort extends AsyncDisposable {
  connect(protocol: "ttrpc" | "grpc", options?: ConnectOptions): Promise<RpcClient>;
  /** What a peer reads that sends these bytes; undefined when the connection breaks. */
  textFor(bytes: string | Uint8Array): Promise<string>;
}

async function openRefusingPort(options: Pick<PortOptions, "tls" | "plain" | "limits">): Promise<RefusingPort> {
  const scope = new Scope();
  const registry = new RefusedMethods(reason, [AgentService, Health]);
  const listen = { host: "127.0.0.1", port: 0 };
  const { port } = await servePort({ registry, listen, farewell: `${reason}\n`, log: silentLog, scope, ...options });
  return {
    async connect(protocol, connectOptions = {}) {
      const client = await connectBy[protocol]({ host: "127.0.0.1", port }, connectOptions);
      scope.add("client", () => client.close());
      return client;
    },
    async textFor(bytes) {
      const socket = connectNet({ host: "127.0.0.1", port });
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      socket.write(bytes);
      await once(socket, "close");
      return text;
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

describe.each(["ttrpc", "grpc"] as const)("threat 7: %s", (protocol) => {
  test("every method is refused with the reason, whatever the request", async () => {
    await using port = await openRefusingPort({ tls: identities.server });
    const client = await port.connect(protocol, { tls: identities.client });
    for (const method of [...Object.values(Health.methods), ...Object.values(AgentService.methods)]) {
      // The services hold methods of many types; an empty request is one of each.
      await expect(client.call(method as MethodDefinition<object, object>, {})).rejects.toMatchObject(refused);
    }
    const long = { container_id: "x".repeat(1_000_000) };
    await expect(client.call(AgentService.methods.ReadStdout, long)).rejects.toMatchObject(refused);
  });

  test("without a client's certificate, or with another's, not even the reason is told", async () => {
    await using port = await openRefusingPort({ tls: identities.server });
    const { ca, serverName } = identities.client;
    for (const identity of [{}, identities.stranger]) {
      const call = async (): Promise<unknown> => {
        const client = await port.connect(protocol, { tls: { ca, serverName, ...identity } });
        return client.call(Health.methods.Check, {}, { timeoutMs: 5000 });
      };
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "unavailable" });
      expect(String(error)).not.toContain(reason);
    }
  });

  test("plain calls are refused where plain calls would be served", async () => {
    await using port = await openRefusingPort({ plain: true });
    const client = await port.connect(protocol);
    await expect(client.call(Health.methods.Check, {})).rejects.toMatchObject(refused);
  });
});

test("a ttRPC client is refused for methods that nobody knows, and for requests that are no protobuf", async () => {
  await using port = await openRefusingPort({ plain: true });
  const client = await port.connect("ttrpc");
  const strange = { ...Health.methods.Check, service: "no.such.Service" };
  await expect(client.call(strange, {})).rejects.toMatchObject(refused);
  const garbage = { ...Health.methods.Check, request: AgentService.methods.CopyFile.request };
  await expect(client.call(garbage, { path: "/etc/passwd", data: Buffer.alloc(100) })).rejects.toMatchObject(refused);
});

describe("a peer that doesn't get as far as a call reads the reason as text", () => {
  const bytes: readonly (readonly [string, Uint8Array | string])[] = [
    ["plain ttRPC", Buffer.from("00000016000000010100", "hex")],
    ["plain HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/1", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["anything", "hello\n"],
  ];
  test.each(bytes)("%s", async (_name, sent) => {
    await using withTls = await openRefusingPort({ tls: identities.server });
    expect(await withTls.textFor(sent)).toBe(`${reason}\n`);
    await using without = await openRefusingPort({});
    expect(await without.textFor(sent)).toBe(`${reason}\n`);
  });

  test("TLS, where the port has no material for it", async () => {
    await using port = await openRefusingPort({});
    expect(await port.textFor(Buffer.from("16030100050100000100", "hex"))).toBe(`${reason}\n`);
  });

  test("many bytes don't take the text with them", async () => {
    await using port = await openRefusingPort({});
    expect(await port.textFor(Buffer.alloc(200_000, 0x41))).toBe(`${reason}\n`);
  });
});

test("nothing of a request is decoded", () => {
  const method = new RefusedMethods(reason, [Health]).find();
  const payload = new Proxy(new Uint8Array(4), { get: vi.fn(() => expect.fail("the payload was looked at")) });
  // The context isn't looked at, either.
  return expect(method.invoke(payload, {} as never)).rejects.toMatchObject(refused);
});
