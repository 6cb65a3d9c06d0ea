import { once } from "node:events";
import { connect as connectNet, type Socket, type TcpNetConnectOpts } from "node:net";
import { duplexPair } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { ClientTls } from "../../guest/rpc/tls.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities } from "./identities.ts";
import { openTestPort, type TestPort } from "./test-port.ts";

const { Check } = Health.methods;
const serving = { status: 1 };
const before = createIdentities();
const after = createIdentities();

/** What a client needs once only the clients' authority has been replaced: the old server's, and its own new certificate. */
const newClient: ClientTls = { ...before.client, cert: after.client.cert, key: after.client.key };
const newAuthority = { ...before.server, ca: after.client.cert ?? "" };

async function checkedBy(port: TestPort, tls: ClientTls): Promise<unknown> {
  const client = await port.connect("ttrpc", { tls });
  return client.call(Check, {}, { timeoutMs: 5000 });
}

/** A TLS connection below any protocol, which tells what it has been given to resume by. */
async function openTls(port: TestPort, tls: ClientTls, options: object = {}): Promise<TLSSocket> {
  const { ca, cert, key, serverName = "" } = tls;
  const socket = connectTls({ ...port.address, ca, cert, key, servername: serverName, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Resolves when a connection is closed, whatever the reason. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** A health check in ttRPC: header, service `grpc.Health`, method `Check`, no payload. */
const checkFrame = Buffer.from(
  "00000016000000010100" + "0a0b677270632e4865616c7468" + "1205436865636b" + "1a00",
  "hex",
);

/**
 * Begins a handshake under the old authority, and holds back what the client needs to go on.
 *
 * @returns lets it go on, and tells whether a call is answered in the end
 */
async function beginHandshake(address: TcpNetConnectOpts): Promise<() => Promise<"closed" | "answered">> {
  const raw = connectNet(address).on("error", () => {});
  const [near, far] = duplexPair();
  const { ca, cert, key, serverName = "" } = before.client;
  const client = connectTls({ socket: near, ca, cert, key, servername: serverName }).on("error", () => {});
  far.on("data", (bytes) => raw.write(bytes));
  const [flight] = await once(raw, "data");
  return async () => {
    const closed = closing(raw).then(() => "closed" as const);
    far.write(flight);
    raw.on("data", (bytes) => far.write(bytes));
    client.write(checkFrame);
    const answered = once(client, "data").then(
      () => "answered" as const,
      () => closed,
    );
    const outcome = await Promise.race([closed, answered]);
    client.destroy();
    raw.destroy();
    return outcome;
  };
}

describe("replaceTls", () => {
  test("threat 1: open connections stay, new handshakes go by the new certificate and authority", async () => {
    await using port = await openTestPort({ tls: before.server });
    const open = await port.connect("ttrpc", { tls: before.client });
    expect(await open.call(Check, {})).toEqual(serving);

    port.replaceTls(after.server);

    expect(await open.call(Check, {})).toEqual(serving);
    expect(await checkedBy(port, after.client)).toEqual(serving);
    await expect(checkedBy(port, before.client)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("threat 1: a client of the authority that was replaced is refused before a call is looked at", async () => {
    const gate = { decide: vi.fn() };
    await using port = await openTestPort({ tls: before.server, gate });
    port.replaceTls(newAuthority);
    await expect(checkedBy(port, before.client)).rejects.toMatchObject({ code: "unavailable" });
    expect(gate.decide).not.toHaveBeenCalled();
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("threat 1: nothing is resumed in %s, before or after", async (version) => {
    await using port = await openTestPort({ tls: before.server });
    const only = { minVersion: version, maxVersion: version };
    const first = await openTls(port, before.client, only);
    const session = version === "TLSv1.3" ? (await once(first, "session"))[0] : first.getSession();
    first.destroy();

    const again = await openTls(port, before.client, { ...only, session });
    expect(again.isSessionReused()).toBe(false);
    again.destroy();

    port.replaceTls(newAuthority);
    const { ca, serverName = "" } = before.client;
    const late = connectTls({ ...port.address, ca, servername: serverName, ...only, session });
    const answers: unknown[] = [];
    late.on("error", () => {}).on("data", (bytes) => answers.push(bytes));
    late.write(checkFrame);
    await closing(late);
    expect(answers).toEqual([]);
    expect(await checkedBy(port, newClient)).toEqual(serving);
  });

  test("threat 1: a handshake that was begun under the old authority does not end under it", async () => {
    await using port = await openTestPort({ tls: before.server });
    const finish = await beginHandshake(port.address);
    port.replaceTls(newAuthority);
    expect(await finish()).toBe("closed");
  });

  test("threat 1: nor do two from one port of the client to two addresses of the VM", async () => {
    await using port = await openTestPort({ tls: before.server, host: "0.0.0.0" });
    const from = { localAddress: "127.0.0.1", localPort: await freePort() };
    const first = await beginHandshake({ ...port.address, ...from });
    const second = await beginHandshake({ ...port.address, ...from, host: "127.0.0.2" });
    port.replaceTls(newAuthority);
    expect(await Promise.all([first(), second()])).toEqual(["closed", "closed"]);
  });

  test.each([
    ["no authority", { ca: "" }],
    ["another's key", { key: after.server.key }],
    [
      "a chain with a broken end",
      { cert: `${before.server.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
    ],
  ])("with %s it throws, and the material in force stays", async (_what, change) => {
    await using port = await openTestPort({ tls: before.server });
    expect(() => port.replaceTls({ ...before.server, ...change })).toThrow(
      expect.objectContaining({ code: "invalid-argument" }),
    );
    expect(await checkedBy(port, before.client)).toEqual(serving);
    await expect(checkedBy(port, after.client)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("threat 1: a plain port does not become one with TLS, nor the other way round", async () => {
    await using port = await openTestPort();
    expect(() => port.replaceTls(before.server)).toThrow(TypeError);
  });
});
