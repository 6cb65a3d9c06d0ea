import { GuestError } from "../core/errors.ts";
import type { CallOptions, MessageInit, MethodDefinition, RpcClient } from "../rpc/method.ts";

/**
 * A client that connects at its first call, and anew when a call finds the connection gone, since the peer may have been restarted:
 * that call is repeated once. Calls on a new connection that fail, fail.
 */
export function createReconnectingClient(connect: () => Promise<RpcClient>): RpcClient {
  let connection: Promise<RpcClient> | undefined;
  return { call, close };

  async function call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: MessageInit<Request>,
    options?: CallOptions,
  ): Promise<Response> {
    const connects = connection === undefined;
    const attempt = (): Promise<Response> => onConnection((client) => client.call(method, request, options));
    try {
      return await attempt();
    } catch (error) {
      if (connects || !isConnectionGone(error)) throw error;
      return await attempt();
    }
  }

  async function onConnection<T>(action: (client: RpcClient) => Promise<T>): Promise<T> {
    connection ??= connect();
    const used = connection;
    try {
      return await action(await used);
    } catch (error) {
      if (isConnectionGone(error) && connection === used) connection = undefined;
      throw error;
    }
  }

  async function close(): Promise<void> {
    const open = connection;
    connection = undefined;
    await (await open)?.close();
  }
}

function isConnectionGone(error: unknown): boolean {
  return error instanceof GuestError && error.code === "unavailable";
}
