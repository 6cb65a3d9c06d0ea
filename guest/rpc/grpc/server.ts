import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type ConnectionInjector, type handleUnaryCall, type Metadata, Server, ServerCredentials } from "@grpc/grpc-js";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { MemoryBudget } from "../memory-budget.ts";
import type { CallableMethod, MethodTable } from "../method.ts";
import { RunningCall } from "../running-call.ts";
import { statusOf } from "../status.ts";
import {
  type GrpcLimits,
  maxConcurrentStreams,
  maxMessageLength,
  maxSessionMegabytes,
  maxStatusMessageLength,
} from "./limits.ts";
import { boundRequests } from "./request-memory.ts";

/** What a gRPC server is made of. */
export interface GrpcServerOptions {
  /** Methods that are added later are not served. */
  readonly registry: MethodTable;
  readonly limits: GrpcLimits;
  /** Shared by the connections of a port. */
  readonly memory: MemoryBudget;
  readonly log: Log;
}

/**
 * Speaks gRPC on sockets that somebody else has accepted and decrypted. Calls go through the registry like those of ttRPC,
 * so codes and messages are the same.
 */
export class GrpcServer {
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #log: Log;
  /** Connections by the name that grpc-js gives to their peers: the only way from a call to its connection. */
  readonly #connections = new Map<string, number>();

  constructor({ registry, limits, memory, log }: GrpcServerOptions) {
    this.#log = log;
    this.#server = new Server({
      "grpc.max_receive_message_length": maxMessageLength,
      "grpc.max_send_message_length": maxMessageLength,
      "grpc.max_concurrent_streams": maxConcurrentStreams,
      "grpc-node.max_session_memory": maxSessionMegabytes,
      "grpc.enable_channelz": 0,
      interceptors: [boundRequests(memory, limits.requestTimeoutMs)],
    });
    for (const { service, name } of registry.methods) {
      this.#server.register(
        `/${service}/${name}`,
        this.#handlerOf(registry.find(service, name)),
        identity,
        identity,
        "unary",
      );
    }
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /**
   * Serves a connection until one side closes it.
   *
   * @param socket of which nothing was read or all that was read was put back
   * @param connection its number, for the log
   */
  serve(socket: Socket, connection: number): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#connections.set(peer, connection);
    socket.on("close", () => this.#connections.delete(peer));
    // A client that did without ALPN has chosen by its first bytes; http2 would answer it in HTTP/1.1.
    if (socket instanceof TLSSocket && socket.alpnProtocol === false) socket.alpnProtocol = "h2";
    this.#injector.injectConnection(socket);
  }

  /** Ends all calls and connections. */
  close(): void {
    this.#server.forceShutdown();
  }

  #handlerOf(method: CallableMethod): handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      const connection = this.#connections.get(call.getPeer()) ?? 0;
      const running = new RunningCall({
        metadata: metadataOf(call.metadata),
        protocol: "grpc",
        connection,
        log: this.#log.with({ connection }),
      });
      // Emitted when the deadline passes, the client cancels or the connection closes; grpc-js then answers by itself.
      call.on("cancelled", () => running.abort(new GuestError("cancelled", "the call was cancelled")));
      method.invoke(call.request, running).then(
        (response) => callback(null, Buffer.from(response.buffer, response.byteOffset, response.byteLength)),
        (error: unknown) => {
          const { code, message } = statusOf(error);
          callback({ code, details: message.slice(0, maxStatusMessageLength).toWellFormed() });
        },
      );
    };
  }
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

/** Binary values are left out: no method here knows any. */
function metadataOf(metadata: Metadata): ReadonlyMap<string, readonly string[]> {
  const keys = Object.keys(metadata.getMap());
  return new Map(keys.map((key) => [key, metadata.get(key).filter((value) => typeof value === "string")]));
}
