import { connect as connectNet, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { GuestError } from "../core/errors.ts";
import type { RpcClient } from "./method.ts";
import type { ClientTls } from "./tls.ts";
import { TtrpcClient } from "./ttrpc/client.ts";

/** Where a server listens. */
export type ServerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** How to connect. */
export interface ConnectOptions {
  /** Absent: no TLS. */
  readonly tls?: ClientTls | undefined;
  /** Default 10 s. */
  readonly timeoutMs?: number | undefined;
}

const defaultTimeoutMs = 10_000;

/**
 * Connects by ttRPC. A refused client certificate shows at the first call, since TLS 1.3 tells the client no earlier.
 *
 * @throws GuestError `unavailable` when there is no connection in time
 */
export async function connectTtrpc(address: ServerAddress, options: ConnectOptions = {}): Promise<RpcClient> {
  return new TtrpcClient(await openSocket(address, options));
}

/**
 * Connects by gRPC.
 *
 * @throws GuestError `unavailable` when there is no connection in time
 */
export async function connectGrpc(address: ServerAddress, options: ConnectOptions = {}): Promise<RpcClient> {
  // Loaded when it is used, which most processes never do: grpc-js is slow to start and large.
  const { GrpcClient } = await import("./grpc/client.ts");
  const client = new GrpcClient(grpcTarget(address), options.tls);
  try {
    await client.ready(options.timeoutMs ?? defaultTimeoutMs);
  } catch (error) {
    await client.close();
    throw notConnected(address, error);
  }
  return client;
}

function openSocket(address: ServerAddress, { tls, timeoutMs = defaultTimeoutMs }: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = "host" in address ? address.host : "localhost";
    const servername = tls?.serverName ?? (isIP(host) ? "" : host);
    const socket =
      tls === undefined
        ? connectNet({ ...address, noDelay: true })
        : connectTls({ ...address, ca: tls.ca, cert: tls.cert, key: tls.key, servername, minVersion: "TLSv1.2" });
    const timer = setTimeout(() => socket.destroy(new Error("no connection in time")), timeoutMs);
    const onError = (cause: Error) => {
      clearTimeout(timer);
      reject(notConnected(address, cause));
    };
    socket.once("error", onError);
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      clearTimeout(timer);
      socket.off("error", onError);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function grpcTarget(address: ServerAddress): string {
  if ("path" in address) return `unix:${address.path}`;
  const version = isIP(address.host);
  if (version === 6) return `ipv6:[${address.host}]:${address.port}`;
  return `${version === 4 ? "ipv4" : "dns"}:${address.host}:${address.port}`;
}

function notConnected(address: ServerAddress, cause: unknown): GuestError {
  return new GuestError("unavailable", `cannot connect to ${describeAddress(address)}`, { cause });
}

/** The address for people. */
function describeAddress(address: ServerAddress): string {
  if ("path" in address) return address.path;
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
