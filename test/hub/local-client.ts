import type { Log } from "../../guest/core/log.ts";
import type { CallOptions, MessageInit, MethodDefinition, RpcClient } from "../../guest/rpc/method.ts";
import type { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";

/** Number of the connection that calls within the process are logged with. */
const localConnection = 0;

/**
 * A client of services in this process. Requests and answers are encoded and decoded as over a socket, so that callers can't tell
 * the difference: the attestation agent and the data hub stay replaceable by the reference's.
 *
 * @param lifetime aborts all calls when the services stop
 */
export function createLocalClient(registry: MethodRegistry, log: Log, lifetime: AbortSignal): RpcClient {
  return {
    async call<Request, Response>(
      method: MethodDefinition<Request, Response>,
      request: MessageInit<Request>,
      { timeoutMs = 0, signal }: CallOptions = {},
    ): Promise<Response> {
      const signals = [lifetime, signal, timeoutMs > 0 ? AbortSignal.timeout(timeoutMs) : undefined];
      const payload = encodeMessage(method.request, request);
      const response = await registry.find(method.service, method.name).invoke(payload, {
        signal: AbortSignal.any(signals.filter((one) => one !== undefined)),
        metadata: new Map(),
        protocol: "local",
        connection: localConnection,
        log,
      });
      return decodeMessage(method.response, response, { unknownFields: "ignore" });
    },
    close: async () => {},
  };
}
