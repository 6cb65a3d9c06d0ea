import { describe, expect, onTestFinished, test, vi } from "vitest";
import { AgentService } from "../../../guest/rpc/messages/agent.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import { Request, Response } from "../../../guest/rpc/messages/ttrpc.ts";
import type { MessageInit } from "../../../guest/rpc/method.ts";
import { decodeMessage } from "../../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { TtrpcClient } from "../../../guest/rpc/ttrpc/client.ts";
import { FrameReader, frameHeaderLength, writeFrameHeader } from "../../../guest/rpc/ttrpc/frame.ts";
import { socketPair } from "../socket-pair.ts";

const { Check } = Health.methods;
const { ReadStdout, WriteStdin } = AgentService.methods;

/** A server that hands every request to the test. */
async function connect() {
  const [near, far] = await socketPair();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  const requests: (Request & { streamId: number })[] = [];
  const frames = new FrameReader();
  far.on("data", (chunk: Buffer) => {
    for (const frame of frames.read(chunk)) {
      if (frame.kind === "oversized") throw new Error("oversized frame");
      const request = decodeMessage(Request, frame.data, { unknownFields: "reject" });
      requests.push({ ...request, streamId: frame.streamId });
    }
  });
  const answer = (streamId: number, response: MessageInit<Response>, type = 2) => {
    const frame = encodeMessage(Response, response, frameHeaderLength);
    writeFrameHeader(frame, streamId, type);
    far.write(frame);
  };
  const sendHex = (hex: string) => far.write(Buffer.from(hex.replaceAll(/[\s|]/g, ""), "hex"));
  return { client: new TtrpcClient(near), requests, answer, sendHex, far };
}

test("ids are odd and rise, however the calls are mixed", async () => {
  const { client, requests, answer } = await connect();
  const calls = Array.from({ length: 5 }, () => client.call(Check, {}));
  await vi.waitFor(() => expect(requests).toHaveLength(5));
  expect(requests.map(({ streamId }) => streamId)).toEqual([1, 3, 5, 7, 9]);
  for (const streamId of [9, 1, 5, 3, 7]) answer(streamId, { payload: Uint8Array.of(8, 1) });
  expect(await Promise.all(calls)).toEqual(Array(5).fill({ status: 1 }));
});

test.each([
  ["no status (Go)", "00000004 00000001 02 00 | 1202 0801"],
  ["an empty status (Rust)", "00000006 00000001 02 00 | 0a00 1202 0801"],
  ["a status with code 0 and a message", "0000000b 00000001 02 00 | 0a05 0800 120161 1202 0801"],
])("success may have %s", async (_what, hex) => {
  const { client, sendHex } = await connect();
  const call = client.call(Check, {});
  sendHex(hex);
  expect(await call).toEqual({ status: 1 });
});

test("deadline and metadata travel with the request", async () => {
  const { client, requests, answer } = await connect();
  const call = client.call(Check, { service: "x" }, { timeoutMs: 30_000, metadata: { traceparent: "00-1-2-01" } });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  expect(requests[0]).toMatchObject({
    service: "grpc.Health",
    method: "Check",
    timeout_nano: 30_000_000_000n,
    metadata: [{ key: "traceparent", value: "00-1-2-01" }],
  });
  answer(1, {});
  await call;
});

describe("failures", () => {
  test("the peer's code and message", async () => {
    const { client, answer } = await connect();
    const call = client.call(Check, {});
    answer(1, { status: { code: 7, message: '"denied"' } });
    await expect(call).rejects.toMatchObject({ code: "permission-denied", message: '"denied"' });
  });

  test("a code that nobody knows", async () => {
    const { client, answer } = await connect();
    const call = client.call(Check, {});
    answer(1, { status: { code: 99, message: "?" } });
    await expect(call).rejects.toMatchObject({ code: "unknown", message: "?" });
  });

  test("a deadline ends the wait, and the late answer is ignored", async () => {
    const { client, answer } = await connect();
    await expect(client.call(Check, {}, { timeoutMs: 1 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    const next = client.call(Check, {});
    answer(1, { payload: Uint8Array.of(8, 2) });
    answer(3, { payload: Uint8Array.of(8, 1) });
    expect(await next).toEqual({ status: 1 });
  });

  test("an abort ends the wait", async () => {
    const { client } = await connect();
    const stop = new AbortController();
    const call = client.call(Check, {}, { signal: stop.signal });
    stop.abort();
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
    await expect(client.call(Check, {}, { signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  test("all calls fail when the connection is lost, and later ones at once", async () => {
    const { client, far } = await connect();
    const calls = [client.call(Check, {}), client.call(ReadStdout, {})];
    far.destroy();
    const lost = { code: "unavailable", message: "ttrpc: closed" };
    for (const call of calls) await expect(call).rejects.toMatchObject(lost);
    await expect(client.call(Check, {})).rejects.toMatchObject(lost);
    await client.close();
  });

  test("a peer that speaks something else is a lost connection", async () => {
    const { client, far } = await connect();
    const call = client.call(Check, {});
    far.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await expect(call).rejects.toMatchObject({ message: "ttrpc: closed" });
  });

  test("an oversized answer fails its call only", async () => {
    const { client, far, answer } = await connect();
    const [large, small] = [client.call(ReadStdout, {}), client.call(Check, {})];
    const frame = Buffer.alloc(frameHeaderLength + 4_194_305);
    writeFrameHeader(frame, 1, 2);
    far.write(frame);
    answer(3, { payload: Uint8Array.of(8, 1) });
    await expect(large).rejects.toMatchObject({ code: "resource-exhausted" });
    expect(await small).toEqual({ status: 1 });
  });

  test("an oversized request is not sent", async () => {
    const { client, requests, answer } = await connect();
    const call = client.call(WriteStdin, { data: new Uint8Array(4_194_304) });
    await expect(call).rejects.toMatchObject({ code: "resource-exhausted" });
    const next = client.call(Check, {});
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    expect(requests.map(({ streamId }) => streamId)).toEqual([1]);
    answer(1, {});
    await next;
  });

  test("a data frame in answer to a unary call", async () => {
    const { client, answer } = await connect();
    const call = client.call(Check, {});
    answer(1, {}, 3);
    await expect(call)
      .rejects.toMatchObject({ code: "internal", message: /protocol error/ })
      .catch(() => {});
    await expect(call).rejects.toThrow("protocol error");
  });

  test("an answer that does not decode", async () => {
    const { client, sendHex } = await connect();
    const call = client.call(Check, {});
    sendHex("00000003 00000001 02 00 | 120108");
    await expect(call).rejects.toMatchObject({ code: "invalid-argument" });
  });
});
