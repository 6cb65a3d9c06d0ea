import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectNet, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import { defaultPortLimits } from "../../guest/rpc/limits.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { servePort } from "../../guest/rpc/port.ts";
import { createIdentities } from "./identities.ts";
import { openTestPort, type TestPort } from "./test-port.ts";

const { Check } = Health.methods;
const { CopyFile, ReadStdout, WaitProcess } = AgentService.methods;
const identities = createIdentities();
const serving = { status: 1 };
const checkFrame = Buffer.from(
  "00000016000000010100" + "0a0b677270632e4865616c7468" + "1205436865636b" + "1a00",
  "hex",
);

async function openSocket(port: TestPort): Promise<Socket> {
  const socket = connectNet(port.address);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

describe.each(["ttrpc", "grpc"] as const)("%s", (protocol) => {
  test.each(["plain", "TLS"] as const)("is served on the port, %s", async (transport) => {
    const withTls = transport === "TLS";
    await using port = await openTestPort(withTls ? { tls: identities.server } : {});
    const client = await port.connect(protocol, withTls ? { tls: identities.client } : {});
    expect(await client.call(Check, {}, { timeoutMs: 10_000 })).toEqual(serving);
  });

  test("carries codes and messages as they are", async () => {
    const text = '"no such thing: 100 % ☃\n"';
    await using port = await openTestPort({
      handlers: {
        CopyFile: () => {
          throw new GuestError("failed-precondition", "for the log", { peerMessage: text });
        },
      },
    });
    const client = await port.connect(protocol);
    await expect(client.call(CopyFile, {})).rejects.toMatchObject({ code: "failed-precondition", message: text });
    await expect(client.call(ReadStdout, {})).rejects.toMatchObject({ code: "unimplemented" });
  });

  test("carries a message of nearly 4 MiB both ways", async () => {
    await using port = await openTestPort({
      handlers: { ReadStdout: ({ container_id }) => ({ data: Buffer.from(container_id) }) },
    });
    const client = await port.connect(protocol);
    const container_id = "x".repeat(4_194_304 - 200);
    expect((await client.call(ReadStdout, { container_id })).data).toHaveLength(container_id.length);
  });

  test("runs many calls at once, and pending ones block nobody", async () => {
    const release = Promise.withResolvers<void>();
    await using port = await openTestPort({
      handlers: { WaitProcess: () => release.promise.then(() => ({ status: 3 })) },
    });
    const client = await port.connect(protocol);
    const waits = Array.from({ length: 300 }, () => client.call(WaitProcess, { container_id: "c" }));
    expect(await client.call(Check, {})).toEqual(serving);
    release.resolve();
    expect(await Promise.all(waits)).toEqual(Array(300).fill({ status: 3 }));
  });

  test("tells the handler when the deadline has passed or the client is gone", async () => {
    const reasons: unknown[] = [];
    await using port = await openTestPort({
      handlers: {
        WaitProcess: (_request, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              reasons.push(signal.reason);
              reject(signal.reason);
            });
          }),
      },
    });
    const client = await port.connect(protocol);
    await expect(client.call(WaitProcess, {}, { timeoutMs: 300 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    await vi.waitFor(() => expect(reasons).toHaveLength(1));
    const lost = client.call(WaitProcess, {}).catch(() => {});
    await client.call(Check, {});
    await client.close();
    await lost;
    await vi.waitFor(() => expect(reasons).toHaveLength(2));
  });
});

describe("threat 1: who may connect", () => {
  test("nothing is served without a decision on TLS", async () => {
    const registry = new MethodRegistry({ gate: localGate, log: silentLog });
    const listen = { host: "127.0.0.1", port: 0 };
    const open = servePort({ registry, listen, log: silentLog, scope: new Scope() });
    await expect(open).rejects.toThrow("a port needs tls, plain or both");
  });

  test("a port with TLS closes plain connections before it reads a frame", async () => {
    const gate = { decide: vi.fn() };
    await using port = await openTestPort({ tls: identities.server, gate });
    for (const bytes of [checkFrame, Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]) {
      const socket = await openSocket(port);
      socket.end(bytes);
      await once(socket.resume(), "close");
    }
    expect(gate.decide).not.toHaveBeenCalled();
  });

  test.each([
    ["no certificate", {}],
    ["a certificate of somebody else", identities.stranger],
    ["an expired certificate", identities.expired],
  ])("a client with %s gets no answer, and no call is looked at", async (_what, identity) => {
    const gate = { decide: vi.fn() };
    await using port = await openTestPort({ tls: identities.server, gate });
    const { ca, serverName } = identities.client;
    const call = async () => {
      const client = await port.connect("ttrpc", { tls: { ca, serverName, ...identity } });
      await client.call(Check, {}, { timeoutMs: 5000 });
    };
    await expect(call()).rejects.toMatchObject({ code: "unavailable" });
    expect(gate.decide).not.toHaveBeenCalled();
  });

  test.each(["ttrpc", "grpc"] as const)("threat 2: by name, when one is expected, %s", async (protocol) => {
    const gate = { decide: vi.fn() };
    await using strict = await openTestPort({ tls: { ...identities.server, clientName: "another-worker" }, gate });
    const call = async (port: TestPort): Promise<unknown> => {
      const client = await port.connect(protocol, { tls: identities.client });
      return client.call(Check, {}, { timeoutMs: 5000 });
    };
    await expect(call(strict)).rejects.toMatchObject({ code: "unavailable" });
    expect(gate.decide).not.toHaveBeenCalled();
    await using port = await openTestPort({ tls: { ...identities.server, clientName: "cloud-api-adaptor" } });
    expect(await call(port)).toEqual(serving);
  });

  test("TLS 1.1 is refused", async () => {
    await using port = await openTestPort({ tls: identities.server });
    const { ca, cert, key } = identities.client;
    const versions = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    const socket = connectTls({
      ...port.address,
      ca,
      cert,
      key,
      servername: identities.client.serverName ?? "",
      ...versions,
    });
    await expect(once(socket, "secureConnect")).rejects.toThrow();
  });

  test("the client checks the server's name", async () => {
    await using port = await openTestPort({ tls: identities.server });
    const wrong = { ...identities.client, serverName: "podvm-other" };
    await expect(port.connect("ttrpc", { tls: wrong })).rejects.toMatchObject({ code: "unavailable" });
  });

  test("HTTP/2 without ALPN is recognised by its first bytes", async () => {
    await using port = await openTestPort({ tls: identities.server });
    const { ca, cert, key, serverName = "" } = identities.client;
    const socket = connectTls({ ...port.address, ca, cert, key, servername: serverName });
    await once(socket, "secureConnect");
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    const [answer] = await once(socket, "data");
    // The type of an HTTP/2 SETTINGS frame.
    expect(answer[3]).toBe(4);
    socket.destroy();
  });
});

describe("threat 3: garbage closes its own connection and nothing else", () => {
  test.each([
    ["HTTP/1", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["HTTP/1 that begins like HTTP/2", Buffer.from("POST / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["a P and garbage", Buffer.from("PRI garbage that is no preface")],
    ["broken TLS", Buffer.from("16030100050100000100", "hex")],
    ["a length of 2^32-1", Buffer.from("ffffffff000000010100", "hex")],
    ["a length of 2^24", Buffer.from("00000000000000010100" + "01000000000000030100", "hex")],
    ["random bytes", Buffer.from("deadbeefdeadbeefdeadbeef", "hex")],
  ])("%s", async (_what, bytes) => {
    await using port = await openTestPort({ tls: identities.server, plain: true });
    const bystander = await port.connect("ttrpc");
    const socket = await openSocket(port);
    const closed = once(socket.resume(), "close");
    socket.write(bytes);
    await closed;
    expect(await bystander.call(Check, {})).toEqual(serving);
  });

  test.each(["before", "after"])("a connection reset just %s the end of its TLS handshake", async (moment) => {
    await using port = await openTestPort({ tls: identities.server });
    const { ca, cert, key, serverName = "" } = identities.client;
    for (let i = 0; i < 5; i++) {
      const raw = await openSocket(port);
      const socket = connectTls({ socket: raw, ca, cert, key, servername: serverName }).on("error", () => {});
      if (moment === "after") await once(socket, "secureConnect");
      else await setImmediate();
      raw.resetAndDestroy();
    }
    const client = await port.connect("ttrpc", { tls: identities.client });
    expect(await client.call(Check, {})).toEqual(serving);
  });

  test("a connection reset in the middle of a frame", async () => {
    await using port = await openTestPort();
    const socket = await openSocket(port);
    socket.write(checkFrame.subarray(0, 15));
    socket.resetAndDestroy();
    const client = await port.connect("ttrpc");
    expect(await client.call(Check, {})).toEqual(serving);
  });
});

test.each(["ttrpc", "grpc"] as const)("%s is served on a unix socket", async (protocol) => {
  const folder = mkdtempSync(join(tmpdir(), "podkeep-port-"));
  const path = join(folder, "test.sock");
  await using scope = new Scope();
  scope.add("folder", () => rmSync(folder, { recursive: true }));
  const registry = new MethodRegistry({ gate: localGate, log: silentLog });
  registry.add(Health, { Check: () => ({ status: 1 }) });
  expect(await servePort({ registry, listen: { path }, plain: true, log: silentLog, scope })).toMatchObject({
    port: 0,
  });
  const client = await (protocol === "ttrpc" ? connectTtrpc : connectGrpc)({ path });
  expect(await client.call(Check, {})).toEqual(serving);
  await client.close();
});

describe("threat 6: silent connections", () => {
  test("a thousand of them harm nobody, and a later one still gets in", { timeout: 60_000 }, async () => {
    await using port = await openTestPort();
    const early = await port.connect("ttrpc");
    await early.call(Check, {});
    const sockets: Socket[] = [];
    for (let i = 0; i < 1100; i += 100) {
      sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => openSocket(port)))));
    }
    const late = await port.connect("ttrpc");
    expect(await late.call(Check, {})).toEqual(serving);
    expect(await early.call(Check, {})).toEqual(serving);
    for (const socket of sockets) socket.destroy();
  });

  test("handshakes that are not finished give way, too", { timeout: 60_000 }, async () => {
    const limits = { ...defaultPortLimits, maxConnections: 50 };
    await using port = await openTestPort({ tls: identities.server, limits });
    const proven = await port.connect("ttrpc", { tls: identities.client });
    const sockets = await Promise.all(Array.from({ length: 60 }, () => openSocket(port)));
    for (const socket of sockets) socket.write(Buffer.of(0x16));
    const late = await port.connect("ttrpc", { tls: identities.client });
    expect(await late.call(Check, {})).toEqual(serving);
    expect(await proven.call(Check, {})).toEqual(serving);
    for (const socket of sockets) socket.destroy();
  });

  test("one that says nothing is closed, one that has spoken may be idle", async () => {
    await using port = await openTestPort({ limits: { ...defaultPortLimits, firstByteTimeoutMs: 1500 } });
    const spoken = await port.connect("ttrpc");
    await spoken.call(Check, {});
    const silent = await openSocket(port);
    await once(silent.resume(), "close");
    expect(await spoken.call(Check, {})).toEqual(serving);
  });

  test("a client that has proved who it is may be silent from the start", async () => {
    const limits = { ...defaultPortLimits, firstByteTimeoutMs: 1500 };
    await using port = await openTestPort({ tls: identities.server, limits });
    const client = await port.connect("ttrpc", { tls: identities.client });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await client.call(Check, {})).toEqual(serving);
  });

  test("the oldest silent one gives way, those that have spoken do not", async () => {
    await using port = await openTestPort({ limits: { ...defaultPortLimits, maxConnections: 2 } });
    const spoken = await port.connect("ttrpc");
    await spoken.call(Check, {});
    const silent = await openSocket(port);
    const gone = once(silent.resume(), "close");
    const next = await port.connect("ttrpc");
    expect(await next.call(Check, {})).toEqual(serving);
    await gone;
    const refused = await openSocket(port);
    await once(refused.resume(), "close");
    expect(await spoken.call(Check, {})).toEqual(serving);
  });
});

test("threat 3: half requests of many connections stay within the budget of the port", {
  timeout: 60_000,
}, async () => {
  const limits = { ...defaultPortLimits, maxRequestBytes: 16 * 1024 * 1024 };
  await using port = await openTestPort({ limits });
  const client = await port.connect("ttrpc");
  const before = process.memoryUsage().arrayBuffers;
  // Each promises 4 MiB and sends 2; together they would be 400 MiB. Garbage counts until it is collected.
  const half = Buffer.alloc(2 * 1024 * 1024);
  Buffer.from("00400000000000010100", "hex").copy(half);
  const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(port)));
  for (const socket of sockets) socket.write(half);
  for (let i = 0; i < 200; i++) expect(await client.call(Check, {})).toEqual(serving);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024 * 1024);
  for (const socket of sockets) socket.destroy();
});

test("closing the scope closes the port, its connections and the signals of its calls", async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const port = await openTestPort({
    handlers: {
      WaitProcess: (_request, { signal }) => {
        started.resolve(signal);
        return new Promise(() => {});
      },
    },
  });
  const client = await port.connect("ttrpc");
  const call = client.call(WaitProcess, {});
  const signal = await started.promise;
  const closing = port[Symbol.asyncDispose]();
  await expect(call).rejects.toMatchObject({ message: "ttrpc: closed" });
  await closing;
  expect(signal.aborted).toBe(true);
  await expect(port.connect("ttrpc")).rejects.toMatchObject({ code: "unavailable" });
});
