import { once } from "node:events";
import { Duplex } from "node:stream";
import { setImmediate as tick } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { createLog, silentLog } from "../../../guest/core/log.ts";
import { localGate } from "../../../guest/rpc/local-gate.ts";
import { MemoryBudget } from "../../../guest/rpc/memory-budget.ts";
import { AgentService, ReadStreamRequest } from "../../../guest/rpc/messages/agent.ts";
import { Request } from "../../../guest/rpc/messages/ttrpc.ts";
import type { Handlers, MessageInit } from "../../../guest/rpc/method.ts";
import { MethodRegistry } from "../../../guest/rpc/method-registry.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { frameHeaderLength, frameTypes, writeFrameHeader } from "../../../guest/rpc/ttrpc/frame.ts";
import { defaultTtrpcLimits } from "../../../guest/rpc/ttrpc/limits.ts";
import { TtrpcServerConnection } from "../../../guest/rpc/ttrpc/server.ts";
import { agent, check, serve } from "./served-connection.ts";

describe("threat 6: memory stays bounded", () => {
  test("a client that does not read its answers gets no more requests read", async () => {
    let calls = 0;
    const { peer, serverSide } = await serve({
      handlers: {
        ReadStdout: () => {
          calls++;
          return { data: new Uint8Array(32_768) };
        },
      },
    });
    peer.stream.pause();
    const payload = encodeMessage(ReadStreamRequest, { container_id: "x".repeat(8000) });
    for (let i = 0; i < 2000; i++) peer.sendRequest(2 * i + 1, { service: agent, method: "ReadStdout", payload });
    await vi.waitFor(() => expect(serverSide.isPaused()).toBe(true));
    for (let i = 0; i < 50; i++) await tick();
    // What the kernel's buffers take is a few megabytes, each answer 32 KiB.
    expect(calls).toBeLessThan(1000);
    peer.stream.resume();
    expect(await peer.receive(2000)).toHaveLength(2000);
    expect(calls).toBe(2000);
  });

  test("a client that makes too many answers wait loses its connection", async () => {
    const { peer, serverSide } = await serve({
      handlers: { ReadStdout: async () => ({ data: new Uint8Array(1_000_000) }) },
      limits: { maxQueuedBytes: 8_000_000 },
    });
    peer.stream.pause();
    for (let i = 0; i < 100; i++) peer.sendRequest(2 * i + 1, { service: agent, method: "ReadStdout" });
    await vi.waitFor(() => expect(serverSide.destroyed).toBe(true));
  });

  test("nothing is begun of what came along with the request that closed the connection", async () => {
    const lines: string[] = [];
    let calls = 0;
    const registry = new MethodRegistry({ gate: localGate, log: silentLog });
    const count = () => {
      calls++;
      return {};
    };
    registry.add(AgentService, { StartContainer: count });
    // It takes answers and never has them sent.
    const stream = new Duplex({ read: () => {}, write: () => {} });
    new TtrpcServerConnection(stream, {
      registry,
      limits: { ...defaultTtrpcLimits, maxQueuedBytes: 0 },
      memory: new MemoryBudget(1e9),
      connection: 1,
      log: createLog((line) => lines.push(line)),
    });
    const refused = requestFrame(1, { service: "grpc.Nope", method: "X" });
    const starts = [3, 5, 7].map((id) => requestFrame(id, { service: agent, method: "StartContainer" }));
    stream.push(Buffer.concat([refused, ...starts]));
    await once(stream, "close");
    expect(calls).toBe(0);
    expect(lines).toEqual([expect.stringContaining("the client does not read its answers")]);
  });

  test.each([
    ["payloads", { payload: policyOf("x".repeat(90_000)) }],
    ["metadata", { metadata: [{ key: "key", value: "x".repeat(90_000) }] }],
  ])("connections wait when the %s of others have used up the budget", async (_, content) => {
    const memory = new MemoryBudget(100_000);
    const release = Promise.withResolvers<void>();
    const handlers: Handlers<typeof AgentService> = { SetPolicy: () => release.promise.then(() => ({})) };
    const first = (await serve({ handlers, memory })).peer;
    const second = await serve({ handlers, memory });
    const large = { service: agent, method: "SetPolicy", ...content };
    first.sendRequest(1, large);
    await tick();
    second.peer.sendRequest(1, large);
    await vi.waitFor(() => expect(second.serverSide.isPaused()).toBe(true));
    second.peer.sendRequest(3, check);
    for (let i = 0; i < 10; i++) await tick();
    expect(second.peer.answers).toEqual([]);
    release.resolve();
    await first.receive(1);
    expect(await second.peer.receive(2)).toHaveLength(2);
  });

  test("as much metadata as fits into a frame holds nobody up", async () => {
    let values: readonly string[] | undefined;
    const { peer } = await serve({
      handlers: {
        StartContainer: (_, { metadata }) => {
          values = metadata.get("key");
          return {};
        },
      },
    });
    const metadata = Array.from({ length: 100_000 }, (_, index) => ({ key: "Key", value: String(index) }));
    peer.sendRequest(1, { service: agent, method: "StartContainer", metadata });
    expect(await peer.receive(1)).toMatchObject([{ code: 0 }]);
    expect(values).toHaveLength(100_000);
    expect(values?.at(-1)).toBe("99999");
  });

  test("a frame that is never completed closes the connection", async () => {
    const { peer } = await serve({ limits: { frameTimeoutMs: 20 } });
    peer.sendHex("0000001a 00000001 01 00 | 0a0b");
    await peer.closed;
    const idle = await serve({ limits: { frameTimeoutMs: 20 } });
    idle.peer.sendRequest(1, check);
    await idle.peer.receive(1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    idle.peer.sendRequest(3, check);
    expect(await idle.peer.receive(2)).toHaveLength(2);
  });
});

function requestFrame(streamId: number, request: MessageInit<Request>): Uint8Array {
  const frame = encodeMessage(Request, request, frameHeaderLength);
  writeFrameHeader(frame, streamId, frameTypes.request);
  return frame;
}

function policyOf(text: string): Uint8Array {
  return encodeMessage(AgentService.methods.SetPolicy.request, { policy: text });
}
