import {
  Client,
  type ClientOptions,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { GuestError } from "../../core/errors.ts";
import type { CallOptions, MessageInit, MethodDefinition, RpcClient } from "../method.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import { encodeMessage } from "../protobuf/encode.ts";
import { errorOfStatus } from "../status.ts";
import type { ClientTls } from "../tls.ts";
import { maxMessageLength } from "./limits.ts";

/** Calls methods of a peer over gRPC. */
export class GrpcClient implements RpcClient {
  readonly #client: Client;
  readonly #calls = new Set<ClientUnaryCall>();

  /**
   * @param target as grpc-js takes it: `unix:/path`, `ipv4:address:port`, `ipv6:[address]:port`, `dns:name:port`
   * @param tls plain HTTP/2 when absent
   */
  constructor(target: string, tls?: ClientTls) {
    const options: ClientOptions = {
      "grpc.max_receive_message_length": maxMessageLength,
      "grpc.enable_retries": 0,
      // The environment must not be able to lead calls elsewhere.
      "grpc.enable_http_proxy": 0,
      ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
    };
    this.#client = new Client(target, tls === undefined ? credentials.createInsecure() : tlsCredentials(tls), options);
  }

  /**
   * Waits for the connection. One failed attempt is the end of it: whoever wants to wait longer tries again.
   *
   * @throws GuestError `unavailable` when there is none, or none after `timeoutMs`
   */
  ready(timeoutMs: number): Promise<void> {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      const look = (cause?: Error): void => {
        const state = channel.getConnectivityState(true);
        if (state === connectivityState.READY) resolve();
        else if (cause !== undefined || state === connectivityState.TRANSIENT_FAILURE) {
          reject(new GuestError("unavailable", "no gRPC connection", { cause }));
        } else channel.watchConnectivityState(state, deadline, look);
      };
      look();
    });
  }

  call<Req, Res>(
    method: MethodDefinition<Req, Res>,
    request: MessageInit<Req>,
    { timeoutMs = 0, signal, metadata = {} }: CallOptions = {},
  ): Promise<Res> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw cancelled(signal);
      const call = this.#client.makeUnaryRequest(
        `/${method.service}/${method.name}`,
        (message: MessageInit<Req>) => Buffer.from(encodeMessage(method.request, message)),
        (bytes) => decodeMessage(method.response, bytes, { unknownFields: "ignore" }),
        request,
        metadataFrom(metadata),
        timeoutMs > 0 ? { deadline: Date.now() + timeoutMs } : {},
        (error, response) => {
          this.#calls.delete(call);
          signal?.removeEventListener("abort", onAbort);
          if (error !== null) reject(errorOf(error, signal));
          else if (response === undefined) reject(new GuestError("internal", "the answer holds no message"));
          else resolve(response);
        },
      );
      this.#calls.add(call);
      const onAbort = () => call.cancel();
      signal?.addEventListener("abort", onAbort);
    });
  }

  async close(): Promise<void> {
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }
}

function tlsCredentials(tls: ClientTls): ReturnType<typeof credentials.createSsl> {
  const buffers = [tls.ca, tls.key, tls.cert].map((pem) => (pem === undefined ? null : Buffer.from(pem)));
  return credentials.createSsl(...buffers);
}

function metadataFrom(pairs: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(pairs)) metadata.set(key, value);
  return metadata;
}

function errorOf(error: ServiceError, signal: AbortSignal | undefined): GuestError {
  return signal?.aborted ? cancelled(signal) : errorOfStatus({ code: error.code, message: error.details });
}

function cancelled(signal: AbortSignal): GuestError {
  return new GuestError("cancelled", "context canceled", { cause: signal.reason });
}
