import { setImmediate as tick } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { Request } from "../../../guest/rpc/messages/ttrpc.ts";
import type { CallContext, Gate } from "../../../guest/rpc/method.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { maxFrameLength } from "../../../guest/rpc/ttrpc/limits.ts";
import type { RawPeer } from "./raw-peer.ts";
import { agent, check, serve, serving, waitRequest } from "./served-connection.ts";

describe("the vectors of the protocol", () => {
  test("a health check with a deadline", async () => {
    const { peer } = await serve();
    const answer = new Promise<Buffer>((resolve) => peer.stream.once("data", resolve));
    peer.sendHex("0000001a 00000001 01 00 | 0a0b 677270632e4865616c7468 1205 436865636b 20 80d88ee16f");
    expect((await answer).toString("hex")).toBe("00000004000000010200" + "12020801");
  });

  test("a request with metadata, answered by nothing but a header", async () => {
    const seen: CallContext[] = [];
    const { peer } = await serve({
      handlers: {
        StartContainer: (request, context) => {
          expect(request).toEqual({ container_id: "abc" });
          seen.push(context);
          return {};
        },
      },
    });
    const answer = new Promise<Buffer>((resolve) => peer.stream.once("data", resolve));
    peer.sendHex(`0000004b 00000003 01 00 | 0a11 677270632e4167656e7453657276696365 120e 5374617274436f6e7461696e6572
      1a05 0a03616263 20 80b09dc2df01 2a18 0a0b 7472616365706172656e74 1209 30302d312d322d3031`);
    expect((await answer).toString("hex")).toBe("00000000000000030200");
    expect(seen[0]?.metadata.get("traceparent")).toEqual(["00-1-2-01"]);
  });

  test("an error", async () => {
    const text = '"StatsContainerRequest is blocked by policy: "';
    const gate: Gate = {
      decide: () => {
        throw new GuestError("permission-denied", "denied", { peerMessage: text });
      },
    };
    const { peer } = await serve({ gate });
    const answer = new Promise<Buffer>((resolve) => peer.stream.once("data", resolve));
    peer.sendRequest(5, { service: agent, method: "StatsContainer" });
    expect((await answer).toString("hex")).toBe(
      "00000034000000050200" +
        "0a320807122e225374617473436f6e7461696e65725265717565737420697320626c6f636b656420627920706f6c6963793a2022",
    );
  });

  test("an unknown service", async () => {
    const { peer } = await serve();
    const answer = new Promise<Buffer>((resolve) => peer.stream.once("data", resolve));
    peer.sendRequest(7, { service: "grpc.Nope", method: "X" });
    expect((await answer).toString("hex")).toBe(
      "00000017000000070200" + "0a15080c1211736572766963652067" + "7270632e4e6f7065",
    );
  });
});

describe("faults of one stream are answered on it and leave the others alone (threat 3)", () => {
  test.each<[string, (peer: RawPeer) => void, number, number, string | RegExp]>([
    [
      "an even stream id",
      (peer) => peer.sendRequest(2, check),
      2,
      3,
      "StreamID must be odd for client initiated streams",
    ],
    ["stream id 0", (peer) => peer.sendRequest(0, check), 0, 3, "StreamID must be odd for client initiated streams"],
    [
      "data on a stream that is not open",
      (peer) => peer.sendHex("00000002 00000009 03 00 | 0102"),
      9,
      3,
      "StreamID is no longer active",
    ],
    ["a broken envelope", (peer) => peer.sendHex("00000002 00000001 01 00 | 0aff"), 1, 3, /^unmarshal request error: /],
    ["an unknown method", (peer) => peer.sendRequest(1, { ...check, method: "check" }), 1, 12, "method check"],
    ["a request without a service", (peer) => peer.sendFrame(1, 1, 0, Buffer.alloc(0)), 1, 12, "service "],
    [
      "a broken payload",
      (peer) => peer.sendRequest(1, { ...check, payload: Uint8Array.of(8) }),
      1,
      3,
      /^cannot decode grpc.CheckRequest/,
    ],
    [
      "a deadline in the past",
      (peer) => peer.sendRequest(1, { ...check, timeout_nano: -1n }),
      1,
      4,
      "context deadline exceeded",
    ],
    [
      "too long a frame",
      (peer) => peer.sendFrame(1, 1, 0, Buffer.alloc(maxFrameLength + 1)),
      1,
      8,
      "message length 4194305 exceed maximum message size of 4194304",
    ],
  ])("%s", async (_what, send, streamId, code, message) => {
    const { peer } = await serve();
    send(peer);
    const [answer] = await peer.receive(1);
    expect(answer).toMatchObject({ streamId, code, message: expect.stringMatching(message) });
    peer.sendRequest(101, check);
    expect((await peer.receive(2))[1]).toMatchObject({ streamId: 101, code: 0, payload: serving });
  });

  test("a stream id that does not rise", async () => {
    const { peer } = await serve();
    for (const streamId of [5, 5, 3, 7]) peer.sendRequest(streamId, check);
    const answers = await peer.receive(4);
    const refused = { code: 3, message: "StreamID cannot be re-used and must increment" };
    expect(answers.filter(({ code }) => code !== 0)).toMatchObject([
      { streamId: 5, ...refused },
      { streamId: 3, ...refused },
    ]);
    expect(answers.filter(({ code }) => code === 0).map(({ streamId }) => streamId)).toEqual([5, 7]);
  });

  test("frames of an unknown type are ignored", async () => {
    const { peer } = await serve();
    peer.sendFrame(1, 9, 0, Buffer.from("whatever"));
    peer.sendFrame(2, 2, 0, Buffer.alloc(0));
    peer.sendRequest(1, check);
    await peer.receive(1);
    await tick();
    expect(peer.answers).toMatchObject([{ streamId: 1, code: 0 }]);
  });

  test("streaming flags on a unary request make no difference", async () => {
    const { peer } = await serve();
    for (const [streamId, flags] of [
      [1, 1],
      [3, 2],
    ] as const)
      peer.sendFrame(streamId, 1, flags, encodeMessage(Request, check));
    expect(await peer.receive(2)).toMatchObject([
      { streamId: 1, code: 0 },
      { streamId: 3, code: 0 },
    ]);
  });

  test("a closing data frame with a payload ends its call, once", async () => {
    let stopped: AbortSignal | undefined;
    const { peer } = await serve({
      handlers: {
        WaitProcess: async (_request, { signal }) => {
          stopped = signal;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return { status: 1 };
        },
      },
    });
    peer.sendFrame(1, 1, 2, encodeMessage(Request, waitRequest("c")));
    peer.sendHex("00000002 00000001 03 01 | 0102");
    peer.sendRequest(3, check);
    expect(await peer.receive(2)).toMatchObject([
      { streamId: 1, code: 3, message: "data close message cannot include data" },
      { streamId: 3, code: 0 },
    ]);
    expect(stopped?.aborted).toBe(true);
    await tick();
    expect(peer.answers).toHaveLength(2);
  });

  test("an answer of more than 4 MiB is replaced by an error", async () => {
    const { peer } = await serve({ handlers: { ReadStdout: () => ({ data: new Uint8Array(maxFrameLength) }) } });
    peer.sendRequest(1, { service: agent, method: "ReadStdout" });
    expect(await peer.receive(1)).toMatchObject([{ code: 8, message: expect.stringContaining("exceed maximum") }]);
  });

  test("an envelope's unknown fields are ignored and its last values count", async () => {
    const { peer } = await serve();
    const envelope = Buffer.concat([
      encodeMessage(Request, { service: "grpc.Nope", method: "Nope" }),
      Buffer.from("7a0161", "hex"),
      encodeMessage(Request, check),
    ]);
    peer.sendFrame(1, 1, 0, envelope);
    expect(await peer.receive(1)).toMatchObject([{ code: 0 }]);
  });
});

test("bytes that are no ttRPC close the connection", async () => {
  const { peer } = await serve();
  peer.stream.write("GET / HTTP/1.1\r\n\r\n");
  await peer.closed;
  expect(peer.answers).toEqual([]);
});

describe("calls at once", () => {
  test("a pending call blocks nobody, and answers come as they are ready", async () => {
    const release = Promise.withResolvers<void>();
    const { peer } = await serve({
      handlers: {
        WaitProcess: async () => {
          await release.promise;
          return { status: 7 };
        },
      },
    });
    for (let i = 0; i < 300; i++) peer.sendRequest(2 * i + 1, waitRequest("c"));
    peer.sendRequest(601, check);
    expect(await peer.receive(1)).toMatchObject([{ streamId: 601, code: 0 }]);
    release.resolve();
    expect(new Set((await peer.receive(301)).map(({ streamId }) => streamId)).size).toBe(301);
  });

  test("threat 6: beyond the limit they are refused, and served again when others have ended", async () => {
    const release = Promise.withResolvers<void>();
    const handlers = { WaitProcess: () => release.promise.then(() => ({ status: 0 })) };
    const { peer } = await serve({ handlers, limits: { maxConcurrentCalls: 2 } });
    for (const streamId of [1, 3, 5]) peer.sendRequest(streamId, waitRequest("c"));
    expect(await peer.receive(1)).toMatchObject([{ streamId: 5, code: 8 }]);
    release.resolve();
    await peer.receive(3);
    peer.sendRequest(7, check);
    expect((await peer.receive(4))[3]).toMatchObject({ streamId: 7, code: 0 });
  });

  test("a handler that throws what it should not is answered with a fixed text", async () => {
    const { peer } = await serve({
      handlers: {
        SignalProcess: () => {
          throw new TypeError("secret");
        },
      },
    });
    peer.sendRequest(1, { service: agent, method: "SignalProcess" });
    expect(await peer.receive(1)).toMatchObject([{ code: 13, message: "internal error" }]);
  });
});

describe("deadlines and lost connections", () => {
  test("a call whose time is over is answered once, and its handler is told", async () => {
    const ended = Promise.withResolvers<unknown>();
    const { peer } = await serve({
      handlers: {
        WaitProcess: async (_request, { signal }) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          ended.resolve(signal.reason);
          return { status: 1 };
        },
      },
    });
    peer.sendRequest(1, { ...waitRequest("c"), timeout_nano: 1_000_000n });
    expect(await peer.receive(1)).toMatchObject([{ code: 4, message: "context deadline exceeded" }]);
    expect(await ended.promise).toMatchObject({ code: "deadline-exceeded" });
    peer.sendRequest(3, check);
    expect(await peer.receive(2)).toMatchObject([{ streamId: 1 }, { streamId: 3, code: 0 }]);
  });

  test("a deadline beyond what timers can wait is kept, not over at once", async () => {
    const { peer } = await serve();
    peer.sendRequest(1, { ...check, timeout_nano: 2n ** 63n - 1n });
    expect(await peer.receive(1)).toMatchObject([{ code: 0 }]);
  });

  test("handlers of a lost connection are told to stop", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    const { peer } = await serve({
      handlers: {
        WaitProcess: (_request, { signal }) => {
          started.resolve(signal);
          return new Promise(() => {});
        },
      },
    });
    peer.sendRequest(1, waitRequest("c"));
    const signal = await started.promise;
    expect(signal.aborted).toBe(false);
    peer.stream.destroy();
    await vi.waitFor(() => expect(signal.aborted).toBe(true));
  });

  test("closing answers nothing more", async () => {
    const release = Promise.withResolvers<void>();
    const { peer, connection } = await serve({
      handlers: { WaitProcess: () => release.promise.then(() => ({ status: 0 })) },
    });
    peer.sendRequest(1, waitRequest("c"));
    peer.sendRequest(3, check);
    await peer.receive(1);
    connection.close();
    release.resolve();
    await peer.closed;
    expect(peer.answers).toMatchObject([{ streamId: 3 }]);
  });
});

test("every request is answered exactly once, whatever is sent between", async () => {
  const anyStep = fc.oneof(
    fc.record({ kind: fc.constant("request" as const), service: fc.constantFrom("grpc.Health", agent, "no") }),
    fc.record({ kind: fc.constant("junk" as const), type: fc.constantFrom(0, 2, 4, 255), data: fc.uint8Array() }),
    fc.record({ kind: fc.constant("broken" as const), data: fc.uint8Array({ minLength: 1 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 30 }), async (steps) => {
      const { peer } = await serve();
      const expected: number[] = [];
      steps.forEach((step, index) => {
        const streamId = 2 * index + 1;
        if (step.kind !== "junk") expected.push(streamId);
        if (step.kind === "request") peer.sendRequest(streamId, { service: step.service, method: "Check" });
        else peer.sendFrame(streamId, step.kind === "junk" ? step.type : 1, 0, step.data);
      });
      await peer.receive(expected.length);
      await tick();
      expect(peer.answers.map(({ streamId }) => streamId).sort((a, b) => a - b)).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});
