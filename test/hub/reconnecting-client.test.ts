import { describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { createReconnectingClient } from "../../guest/hub/index.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";

const gone = new GuestError("unavailable", "ttrpc: closed");

/** @param failures what all calls on a connection fail with, by connection; those on later ones are answered */
function clientOf(failures: readonly GuestError[]) {
  const calls: number[] = [];
  let connections = 0;
  let open = 0;
  const client = createReconnectingClient(async () => {
    const number = connections++;
    open++;
    const connection: RpcClient = {
      call: async (method) => {
        calls.push(number);
        const failure = failures[number];
        if (failure !== undefined) throw failure;
        return decodeMessage(method.response, new Uint8Array(0), { unknownFields: "reject" });
      },
      close: async () => void open--,
    };
    return connection;
  });
  return {
    calls,
    call: () => client.call(Health.methods.Check, {}),
    close: () => client.close(),
    openConnections: () => open,
  };
}

describe("a client that reconnects", () => {
  test("connects at the first call, once; closing it closes the connection", async () => {
    const { calls, call, close, openConnections } = clientOf([]);
    expect(openConnections()).toBe(0);
    await Promise.all([call(), call()]);
    await call();
    expect(calls).toEqual([0, 0, 0]);
    await close();
    expect(openConnections()).toBe(0);
  });

  test("a call on a new connection that fails, fails; the next one connects anew", async () => {
    const { calls, call } = clientOf([gone]);
    await expect(call()).rejects.toBe(gone);
    await call();
    expect(calls).toEqual([0, 1]);
  });

  test("a call that finds its connection gone is repeated on a new one", async () => {
    const failures: GuestError[] = [];
    const { calls, call } = clientOf(failures);
    await call();
    failures.push(gone);
    await call();
    expect(calls).toEqual([0, 0, 1]);
  });

  test("a call is repeated once, whatever connections others have made meanwhile", async () => {
    const { calls, call } = clientOf(Array.from({ length: 9 }, () => gone));
    const results = await Promise.allSettled([call(), call(), call(), call(), call()]);
    expect(results.map(({ status }) => status)).toEqual(Array.from(results, () => "rejected"));
    expect(calls.length).toBeLessThanOrEqual(2 * results.length);
  });

  test("any other failure is the caller's", async () => {
    const refused = new GuestError("internal", "[CDH] [ERROR]: Get Resource failed");
    const { calls, call } = clientOf([refused]);
    await expect(call()).rejects.toBe(refused);
    await expect(call()).rejects.toBe(refused);
    expect(calls).toEqual([0, 0]);
  });
});
