import { once } from "node:events";
import { connect as connectNet } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { Health } from "../../guest/rpc/messages/health.ts";
import { createIdentities } from "./identities.ts";
import { openTestPort, type TestPort } from "./test-port.ts";

const { Check } = Health.methods;
const identities = createIdentities();

async function openTlsSocket(port: TestPort): Promise<TLSSocket> {
  const { ca, cert, key, serverName = "" } = identities.client;
  const socket = connectTls({ ...port.address, ca, cert, key, servername: serverName }).on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

describe("N10: a port counts the connections of workers", () => {
  test("with TLS from the end of the handshake on, though nothing is said, and until they are closed", async () => {
    const onConnections = vi.fn();
    await using port = await openTestPort({ tls: identities.server, onConnections });
    const first = await openTlsSocket(port);
    await vi.waitFor(() => expect(onConnections.mock.calls).toEqual([[1]]));
    const second = await port.connect("grpc", { tls: identities.client });
    await second.call(Check, {});
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(2));
    first.destroy();
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(1));
    await second.close();
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(0));
  });

  test("not those without the worker's certificate", async () => {
    const onConnections = vi.fn();
    await using port = await openTestPort({ tls: identities.server, onConnections });
    const { ca, serverName } = identities.client;
    for (const identity of [{}, identities.stranger]) {
      const client = await port.connect("ttrpc", { tls: { ca, serverName, ...identity } });
      await expect(client.call(Check, {}, { timeoutMs: 5000 })).rejects.toMatchObject({ code: "unavailable" });
    }
    expect(onConnections).not.toHaveBeenCalled();
  });

  test.each(["closed", "reset"])("those that are %s right after the handshake don't stay", async (how) => {
    const onConnections = vi.fn();
    await using port = await openTestPort({ tls: identities.server, onConnections });
    for (let round = 0; round < 5; round++) {
      const raw = connectNet(port.address);
      const { ca, cert, key, serverName = "" } = identities.client;
      const socket = connectTls({ socket: raw, ca, cert, key, servername: serverName }).on("error", () => {});
      await once(socket, "secureConnect");
      if (how === "reset") raw.resetAndDestroy();
      else socket.end();
    }
    const last = await openTlsSocket(port);
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(1));
    last.destroy();
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(0));
  });

  test("plain ones, where they are served, from their first call on", async () => {
    const onConnections = vi.fn();
    await using port = await openTestPort({ plain: true, onConnections });
    const silent = connectNet(port.address);
    await once(silent, "connect");
    const garbage = connectNet(port.address);
    garbage.write("hello\n");
    await once(garbage.resume(), "close");
    expect(onConnections).not.toHaveBeenCalled();
    const client = await port.connect("ttrpc");
    await client.call(Check, {});
    expect(onConnections.mock.calls).toEqual([[1]]);
    await client.close();
    await vi.waitFor(() => expect(onConnections).toHaveBeenLastCalledWith(0));
    silent.destroy();
  });
});
