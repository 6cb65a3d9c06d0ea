import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import { defaultGrpcLimits } from "../../../guest/rpc/grpc/limits.ts";
import { defaultPortLimits } from "../../../guest/rpc/limits.ts";
import { AgentService } from "../../../guest/rpc/messages/agent.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import { openTestPort, type TestPort } from "../test-port.ts";

const { Check } = Health.methods;
const { SetPolicy } = AgentService.methods;
const mebibyte = 1024 * 1024;

async function openPort(limits: { maxRequestBytes?: number; requestTimeoutMs?: number }): Promise<TestPort> {
  const { maxRequestBytes = defaultPortLimits.maxRequestBytes, ...grpc } = limits;
  const all = { ...defaultPortLimits, maxRequestBytes, grpc: { ...defaultGrpcLimits, ...grpc } };
  return openTestPort({ limits: all, handlers: { SetPolicy: () => ({}) } });
}

function openSession({ address }: TestPort): ClientHttp2Session {
  const session = connect(`http://${address.host}:${address.port}`);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

/** Begins a request of a mebibyte and sends its first bytes. */
function beginRequest(session: ClientHttp2Session): ClientHttp2Stream {
  const path = "/grpc.AgentService/SetPolicy";
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.write(Buffer.from("000010000000", "hex"));
  return stream;
}

/** Waits until the server has seen all that was sent: it answers a ping in its turn. */
function hasArrived(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const ping = (): void => void session.ping((error) => (error === null ? resolve() : reject(error)));
    if (session.connecting) session.once("connect", ping);
    else ping();
  });
}

describe("threat 6: the memory for requests of gRPC stays bounded", () => {
  test("calls wait while others have begun more requests than there is room for", async () => {
    await using port = await openPort({ maxRequestBytes: 8 * mebibyte });
    const session = openSession(port);
    const streams = Array.from({ length: 3 }, () => beginRequest(session));
    await hasArrived(session);
    const client = await port.connect("grpc");
    await expect(client.call(Check, {}, { timeoutMs: 300 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    const waiting = client.call(Check, {});
    streams[0]?.close();
    expect(await waiting).toMatchObject({ status: 1 });
  });

  test("one that is never completed fails, and its room is free again", async () => {
    await using port = await openPort({ maxRequestBytes: 1, requestTimeoutMs: 50 });
    const stream = beginRequest(openSession(port));
    const client = await port.connect("grpc");
    const waiting = client.call(Check, {});
    const [headers] = await once(stream, "response");
    expect(headers["grpc-status"]).toBe("4");
    expect(await waiting).toMatchObject({ status: 1 });
  });

  test("a connection that is lost gives its room back, and so does every call that ends", async () => {
    await using port = await openPort({ maxRequestBytes: 8 * mebibyte });
    const session = openSession(port);
    const streams = Array.from({ length: 5 }, () => beginRequest(session));
    await hasArrived(session);
    session.destroy();
    await Promise.all(streams.map((stream) => (stream.closed ? undefined : once(stream, "close"))));
    const client = await port.connect("grpc");
    const policy = "x".repeat(3 * mebibyte);
    await Promise.all(Array.from({ length: 20 }, () => client.call(SetPolicy, { policy })));
  });
});
