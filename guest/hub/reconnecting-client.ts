import { GuestError } from "../core/errors.ts";
import type { CallOptions, MessageInit, MethodDefinition, RpcClient } from "../rpc/method.ts";

/**
 * A client that connects at its first call and once more when a call finds the connection gone, since the peer may have been
 * restarted. Calls on a new connection that fail, fail.
 */
export function createReconnectingClient(connect: () => Promise<RpcClient>): RpcClient {
  let connection: Promise<RpcClient> | undefined;
  return { call, close };

  async function call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: MessageInit<Request>,
    options?: CallOptions,
  ): Promise<Response> {
    const reused = connection !== undefined;
    connection ??= connect();
    const used = connection;
    try {
      return await (await used).call(method, request, options);
    } catch (error) {
      if (!(error instanceof GuestError) || error.code !== "unavailable") throw error;
      if (connection === used) connection = undefined;
      if (!reused) throw error;
      return call(method, request, options);
    }
  }

  async function close(): Promise<void> {
    const open = connection;
    connection = undefined;
    await (await open)?.close();
  }
}
