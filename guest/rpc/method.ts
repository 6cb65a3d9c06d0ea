import type { Log } from "../core/log.ts";
import type { MessageSchema } from "./protobuf/schema.ts";

/**
 * A partial message for encoding: absent members have their default value.
 */
export type MessageInit<T> = T extends Uint8Array | bigint | string | number | boolean | null
  ? T
  : T extends readonly (infer E)[]
    ? readonly MessageInit<E>[]
    : { readonly [K in keyof T]?: MessageInit<T[K]> | undefined };

/** One method of a service, as generated from proto/. All of the protocols spoken here are unary. */
export interface MethodDefinition<Request = unknown, Response = unknown> {
  /** Full service name, such as `grpc.AgentService`. */
  readonly service: string;
  /** Bare method name, such as `CreateContainer`. */
  readonly name: string;
  readonly request: MessageSchema<Request>;
  readonly response: MessageSchema<Response>;
}

/** A service: its methods by bare name. */
export interface ServiceDefinition {
  readonly name: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

/** What a handler knows of the call besides the request. */
export interface CallContext {
  /** Aborted when the deadline passes, the connection closes or the server stops. */
  readonly signal: AbortSignal;
  /** Lower-case keys. Nothing of it is trusted. */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  readonly protocol: "ttrpc" | "grpc" | "local";
  /** Numbers the connection within this process, for the log. */
  readonly connection: number;
  readonly log: Log;
}

/** Does the work of a method. The request is frozen; failures are thrown as GuestError. */
export type Handler<Request, Response> = (
  request: Request,
  context: CallContext,
) => MessageInit<Response> | Promise<MessageInit<Response>>;

/** Handlers for the methods of a service; a method without one answers UNIMPLEMENTED after the gate has spoken. */
export type Handlers<S extends ServiceDefinition> = {
  readonly [M in keyof S["methods"]]?: S["methods"][M] extends MethodDefinition<infer Request, infer Response>
    ? Handler<Request, Response>
    : never;
};

/** A method that can be called with the bytes of a request. */
export interface CallableMethod {
  /**
   * @param payload the encoded request; not used any more when the promise is returned
   * @returns the encoded response
   * @throws GuestError whatever went wrong
   */
  invoke(payload: Uint8Array, context: CallContext): Promise<Uint8Array>;
}

/** Where the servers of a port look up what a peer asks for. */
export interface MethodTable {
  /** Every method, for servers that want to know them beforehand. */
  readonly methods: readonly MethodDefinition[];
  /**
   * @param service full name
   * @param method bare name
   * @throws GuestError `unimplemented` when there is none
   */
  find(service: string, method: string): CallableMethod;
}

/** What a gate says of a request. */
export type GateDecision<Response = unknown> =
  | {
      readonly kind: "allow";
      /** Called when the handler has succeeded: tentative policy state becomes final. */
      commit(): void;
      /** Called when the handler has failed: tentative policy state is taken back. */
      rollback(): void;
    }
  /** Refused, but the protocol wants an answer that looks like success (a denied ReadStdout is an empty one). */
  | { readonly kind: "answer"; readonly response: MessageInit<Response> };

/**
 * Decides every call before its handler runs. Registered methods can't be reached but through it.
 */
export interface Gate {
  /**
   * @param request the frozen request
   * @throws GuestError `permission-denied` (or `internal` when the policy has no answer) to refuse
   */
  decide<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    context: CallContext,
  ): GateDecision<Response>;
}

/** Options of one outgoing call. */
export interface CallOptions {
  /** 0 or absent: no deadline. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Calls methods of a peer over ttRPC or gRPC. */
export interface RpcClient {
  /**
   * @throws GuestError with the peer's code and message; `unavailable` with message `ttrpc: closed` when the connection is gone
   */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: MessageInit<Request>,
    options?: CallOptions,
  ): Promise<Response>;
  close(): Promise<void>;
}
