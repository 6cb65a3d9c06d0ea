import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import type { Log } from "../core/log.ts";
import type { Scope } from "../core/scope.ts";
import type { GrpcServer } from "./grpc/server.ts";
import { defaultPortLimits, type PortLimits } from "./limits.ts";
import { type ListenAddress, listen } from "./listen.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { MethodRegistry } from "./method-registry.ts";
import { type FirstProtocol, sniffProtocol } from "./sniff.ts";
import { type ServerTls, serverTlsOptions } from "./tls.ts";
import { TtrpcServerConnection } from "./ttrpc/server.ts";

/** What a port is made of. */
export interface PortOptions {
  /** All methods, registered before the port opens. */
  readonly registry: MethodRegistry;
  readonly listen: ListenAddress;
  /** Absent: no TLS. */
  readonly tls?: ServerTls | undefined;
  /** Whether connections without TLS are served. Default false: they are closed. */
  readonly plain?: boolean | undefined;
  readonly limits?: PortLimits | undefined;
  readonly log: Log;
  /** Closes the port and its connections with everything else. */
  readonly scope: Scope;
}

/** A port that is open. */
export interface OpenPort {
  /** The number that was bound, for `port: 0`; 0 for unix sockets. */
  readonly port: number;
}

/**
 * Serves ttRPC and gRPC on one port, with and without TLS, told apart by the first byte. A client that breaks a protocol
 * loses its own connection; silent ones give way when there are too many (threat-model rows 1, 3, 6).
 *
 * @throws GuestError `invalid-argument` when the TLS material is wrong, and the system's error when the address can't be
 *   bound
 * @throws TypeError when nobody could connect, for want of both `tls` and `plain`
 */
export async function servePort(options: PortOptions): Promise<OpenPort> {
  if (options.tls === undefined && options.plain !== true) throw new TypeError("a port needs tls, plain or both");
  const port = new Port(options);
  const number = await port.open(options.listen);
  options.scope.add("port", () => port.close());
  return { port: number };
}

/** How long clients may take to read their last answers when the port closes. */
const closeGraceMs = 1000;

class Port {
  readonly #limits: PortLimits;
  readonly #registry: MethodRegistry;
  readonly #plain: boolean;
  readonly #log: Log;
  readonly #listener: Server;
  readonly #tls: TlsServer | undefined;
  readonly #memory: MemoryBudget;
  /** Connections as they were accepted, and those of them that have neither spoken nor, with TLS, finished their handshake. */
  readonly #sockets = new Set<Socket>();
  readonly #unproven = new Set<Socket>();
  /** Those within a TLS handshake by the name of their peer, since tls.Server does not tell which of them became which. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #ttrpcConnections = new Set<TtrpcServerConnection>();
  #grpc: Promise<GrpcServer> | undefined;
  #lastConnection = 0;

  constructor({ limits = defaultPortLimits, registry, tls, plain = false, log }: PortOptions) {
    this.#limits = limits;
    this.#registry = registry;
    this.#plain = plain;
    this.#log = log;
    this.#memory = new MemoryBudget(limits.maxRequestBytes);
    this.#tls = tls === undefined ? undefined : this.#createTls(tls);
    this.#listener = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  }

  /** @returns the port number */
  async open(address: ListenAddress): Promise<number> {
    const number = await listen(this.#listener, address);
    this.#listener.on("error", (error) => this.#log.error("listener failed", { error }));
    return number;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const connection of this.#ttrpcConnections) connection.close();
    for (const socket of this.#unproven) socket.destroy();
    (await this.#grpc)?.close();
    const impatience = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, closeGraceMs);
    await closed;
    clearTimeout(impatience);
  }

  #createTls(tls: ServerTls): TlsServer {
    const options = { ...serverTlsOptions(tls), handshakeTimeout: this.#limits.handshakeTimeoutMs };
    const server = createTlsServer(options, (socket) => this.#acceptDecrypted(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#log.warn("TLS handshake failed", { error });
      socket.destroy();
    });
    return server;
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= this.#limits.maxConnections && !this.#dropUnproven()) {
      this.#log.warn("connection refused", { reason: "too many connections" });
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    this.#sockets.add(socket);
    this.#unproven.add(socket);
    socket.on("error", (error) => this.#log.debug("connection failed", { error }));
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#unproven.delete(socket);
      this.#handshakes.delete(peer);
    });
    this.#identify(socket, "accepted");
  }

  #acceptDecrypted(socket: TLSSocket): void {
    const accepted = this.#handshakes.get(peerOf(socket));
    if (accepted !== undefined) this.#unproven.delete(accepted);
    socket.on("error", (error) => this.#log.debug("connection failed", { error }));
    this.#identify(socket, "decrypted");
  }

  /** @returns whether there was a connection to drop; the oldest goes */
  #dropUnproven(): boolean {
    const [oldest] = this.#unproven;
    if (oldest === undefined) return false;
    this.#unproven.delete(oldest);
    this.#sockets.delete(oldest);
    oldest.destroy();
    return true;
  }

  /** Clients that have proved who they are may take their time, as the reference's do. */
  #identify(socket: Socket, state: "accepted" | "decrypted"): void {
    const timeoutMs = state === "decrypted" ? 0 : this.#limits.firstByteTimeoutMs;
    sniffProtocol(socket, timeoutMs)
      .then((protocol) => this.#serve(socket, protocol, state))
      .catch((error: unknown) => {
        this.#log.error("connection could not be served", { error });
        socket.destroy();
      });
  }

  async #serve(socket: Socket, protocol: FirstProtocol, state: "accepted" | "decrypted"): Promise<void> {
    if (protocol === "tls" && state === "accepted" && this.#tls !== undefined) {
      this.#handshakes.set(peerOf(socket), socket);
      this.#tls.emit("connection", socket);
      return;
    }
    this.#unproven.delete(socket);
    const readable = state === "decrypted" || this.#plain;
    if (protocol === "ttrpc" && readable) this.#serveTtrpc(socket);
    else if (protocol === "http2" && readable) await this.#serveGrpc(socket);
    else {
      this.#log.debug("connection closed", { reason: "nothing said that is served here", protocol });
      socket.destroy();
    }
  }

  /** grpc-js is loaded with the first such connection: it costs 90 ms and 18 MB, and shims speak ttRPC. */
  async #serveGrpc(socket: Socket): Promise<void> {
    const number = ++this.#lastConnection;
    this.#grpc ??= import("./grpc/server.ts").then(
      ({ GrpcServer }) => new GrpcServer({ registry: this.#registry, log: this.#log }),
    );
    (await this.#grpc).serve(socket, number);
  }

  #serveTtrpc(socket: Socket): void {
    const number = ++this.#lastConnection;
    const connection = new TtrpcServerConnection(socket, {
      registry: this.#registry,
      limits: this.#limits.ttrpc,
      memory: this.#memory,
      connection: number,
      log: this.#log.with({ connection: number }),
    });
    this.#ttrpcConnections.add(connection);
    socket.on("close", () => this.#ttrpcConnections.delete(connection));
  }
}

/** Names the other end of a TCP connection. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
