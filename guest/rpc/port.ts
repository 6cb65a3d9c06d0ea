import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import type { Log } from "../core/log.ts";
import type { Scope } from "../core/scope.ts";
import type { GrpcServer } from "./grpc/server.ts";
import { defaultPortLimits, type PortLimits } from "./limits.ts";
import { type ListenAddress, listen } from "./listen.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { MethodTable } from "./method.ts";
import { type FirstProtocol, sniffProtocol } from "./sniff.ts";
import { bearsName, type ServerTls, serverTlsOptions } from "./tls.ts";
import { TtrpcServerConnection } from "./ttrpc/server.ts";

/** What a port is made of. */
export interface PortOptions {
  /** All methods, registered before the port opens. */
  readonly registry: MethodTable;
  readonly listen: ListenAddress;
  /** Absent: no TLS. */
  readonly tls?: ServerTls | undefined;
  /** Whether connections without TLS are served. Default false: they are closed. */
  readonly plain?: boolean | undefined;
  /** What a connection is told, as plain text, that would be closed without an answer. Default: nothing. */
  readonly farewell?: string | undefined;
  /** Called with the number of connections that are served, at each change: those with a client certificate, or plain ones. */
  readonly onConnections?: ((count: number) => void) | undefined;
  readonly limits?: PortLimits | undefined;
  readonly log: Log;
  /** Closes the port and its connections with everything else. */
  readonly scope: Scope;
}

/** A port that is open. */
export interface OpenPort {
  /** The number that was bound, for `port: 0`; 0 for unix sockets. */
  readonly port: number;
  /**
   * From now on handshakes go by this material; connections that are open stay. Handshakes that are under way are broken off: they
   * would end by the old material.
   *
   * @throws GuestError `invalid-argument` when the material is wrong: that in force stays
   * @throws TypeError when the port has no TLS
   */
  replaceTls(tls: ServerTls): void;
}

/**
 * Serves ttRPC and gRPC on one port, with and without TLS, told apart by the first byte. A client that breaks a protocol
 * loses its own connection; silent ones give way when there are too many (threat-model rows 1, 3, 6).
 *
 * @throws GuestError `invalid-argument` when the TLS material is wrong, and the system's error when the address can't be
 *   bound
 * @throws TypeError when nobody would get an answer, for want of `tls`, `plain` and `farewell`
 */
export async function servePort(options: PortOptions): Promise<OpenPort> {
  if (options.tls === undefined && options.plain !== true && options.farewell === undefined) {
    throw new TypeError("a port needs tls, plain or both");
  }
  const port = new Port(options);
  const number = await port.open(options.listen);
  options.scope.add("port", () => port.close());
  return { port: number, replaceTls: (tls) => port.replaceTls(tls) };
}

/** How long clients may take to read their last answers when the port, or their connection, closes. */
const closeGraceMs = 1000;

class Port {
  readonly #limits: PortLimits;
  readonly #registry: MethodTable;
  readonly #plain: boolean;
  readonly #farewell: string | undefined;
  readonly #onConnections: (count: number) => void;
  readonly #log: Log;
  readonly #listener: Server;
  readonly #tls: TlsServer | undefined;
  #clientName: string | undefined;
  readonly #memory: MemoryBudget;
  /** Connections as they were accepted, and those of them that have neither spoken nor, with TLS, finished their handshake. */
  readonly #sockets = new Set<Socket>();
  readonly #unproven = new Set<Socket>();
  readonly #served = new Set<Socket>();
  /** Those within a TLS handshake by {@link nameOf}, since tls.Server does not tell which of them became which. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #ttrpcConnections = new Set<TtrpcServerConnection>();
  #grpc: Promise<GrpcServer> | undefined;
  #lastConnection = 0;

  constructor(options: PortOptions) {
    const {
      limits = defaultPortLimits,
      registry,
      tls,
      plain = false,
      farewell,
      onConnections = () => {},
      log,
    } = options;
    this.#limits = limits;
    this.#registry = registry;
    this.#plain = plain;
    this.#farewell = farewell;
    this.#onConnections = onConnections;
    this.#log = log;
    this.#memory = new MemoryBudget(limits.maxRequestBytes);
    this.#clientName = tls?.clientName;
    this.#tls = tls === undefined ? undefined : this.#createTls(tls);
    this.#listener = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  }

  /** @returns the port number */
  async open(address: ListenAddress): Promise<number> {
    const number = await listen(this.#listener, address);
    this.#listener.on("error", (error) => this.#log.error("listener failed", { error }));
    return number;
  }

  replaceTls(tls: ServerTls): void {
    if (this.#tls === undefined) throw new TypeError("a port without TLS has no TLS material");
    this.#tls.setSecureContext(serverTlsOptions(tls));
    this.#clientName = tls.clientName;
    for (const socket of this.#handshakes.values()) if (this.#unproven.has(socket)) socket.destroy();
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
    const name = nameOf(socket);
    this.#sockets.add(socket);
    this.#unproven.add(socket);
    socket.on("error", (error) => this.#log.debug("connection failed", { error }));
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#unproven.delete(socket);
      // A client that comes again from the same port can be here before this is told.
      if (this.#handshakes.get(name) === socket) this.#handshakes.delete(name);
    });
    this.#identify(socket, "accepted");
  }

  #acceptDecrypted(socket: TLSSocket): void {
    const accepted = this.#handshakes.get(nameOf(socket));
    if (accepted !== undefined) this.#unproven.delete(accepted);
    socket.on("error", (error) => this.#log.debug("connection failed", { error }));
    if (!this.#isExpected(socket)) {
      this.#log.warn("connection closed", { reason: "the client's certificate does not bear the expected name" });
      socket.destroy();
      return;
    }
    this.#countServed(socket);
    this.#identify(socket, "decrypted");
  }

  #isExpected(socket: TLSSocket): boolean {
    const certificate = socket.getPeerX509Certificate();
    return this.#clientName === undefined || (certificate !== undefined && bearsName(certificate, this.#clientName));
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
      this.#handshakes.set(nameOf(socket), socket);
      this.#tls.emit("connection", socket);
      return;
    }
    this.#unproven.delete(socket);
    const readable = state === "decrypted" || this.#plain;
    if (!readable || (protocol !== "ttrpc" && protocol !== "http2")) {
      this.#log.debug("connection closed", { reason: "nothing said that is served here", protocol });
      this.#dismiss(socket);
      return;
    }
    if (state === "accepted") this.#countServed(socket);
    if (protocol === "ttrpc") this.#serveTtrpc(socket);
    else await this.#serveGrpc(socket);
  }

  /** What the peer still sends is read and dropped: unread bytes would make the kernel take the farewell back. */
  #dismiss(socket: Socket): void {
    if (this.#farewell === undefined) {
      socket.destroy();
      return;
    }
    const impatience = setTimeout(() => socket.destroy(), closeGraceMs);
    socket.on("close", () => clearTimeout(impatience));
    socket.end(this.#farewell).resume();
  }

  #countServed(socket: Socket): void {
    if (socket.destroyed) return;
    this.#served.add(socket);
    this.#onConnections(this.#served.size);
    socket.on("close", () => {
      this.#served.delete(socket);
      this.#onConnections(this.#served.size);
    });
  }

  /** grpc-js is loaded with the first such connection: it costs 90 ms and 18 MB, and shims speak ttRPC. */
  async #serveGrpc(socket: Socket): Promise<void> {
    const number = ++this.#lastConnection;
    this.#grpc ??= import("./grpc/server.ts").then(
      ({ GrpcServer }) =>
        new GrpcServer({
          registry: this.#registry,
          limits: this.#limits.grpc,
          memory: this.#memory,
          log: this.#log,
        }),
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

/** Names a TCP connection by both ends: from one port a client can reach several addresses of the VM. */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress}:${remotePort} ${localAddress}:${localPort}`;
}
