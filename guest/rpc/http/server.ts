import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Log } from "../../core/log.ts";
import type { Scope } from "../../core/scope.ts";
import { type ListenAddress, listen } from "../listen.ts";
import { defaultHttpLimits, type HttpLimits } from "./limits.ts";
import { refusalOf } from "./refusal.ts";

/** A request that was let in, complete with its body. */
export interface HttpRequest {
  readonly method: string;
  /** As it was sent: not decoded, not normalised. */
  readonly path: string;
  /** What follows the first `?`, as it was sent; empty without one. */
  readonly query: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Absent: the answer has no Content-Type header. */
  readonly contentType?: string;
  readonly body?: string | Uint8Array;
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

export interface HttpServerOptions {
  readonly listen: ListenAddress;
  readonly handler: HttpHandler;
  /** Names that the Host header may have besides the loopback ones, without port. */
  readonly allowedHosts?: readonly string[] | undefined;
  readonly limits?: HttpLimits | undefined;
  readonly log: Log;
  /** Closes the server with everything else. */
  readonly scope: Scope;
}

/**
 * A small HTTP/1.1 server for workloads in the same network namespace. It answers 403 to peers that are not on the loopback
 * interface, to foreign Host headers and to cross-origin requests of browsers (threat-model rows 123 and 124), 413 and 431 to
 * what is too long, 400 to what is malformed; the handler sees only the rest. A handler that throws gives 500.
 *
 * @returns the port that was bound
 */
export async function serveHttp(options: HttpServerOptions): Promise<{ readonly port: number }> {
  const { limits = defaultHttpLimits, log, scope } = options;
  const server = createServer(
    {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      noDelay: true,
    },
    (request, response) => {
      answer(request, response, options, limits).catch((error: unknown) => {
        log.error("HTTP request failed unexpectedly", { error });
        response.destroy();
      });
    },
  );
  server.maxConnections = limits.maxConnections;
  const port = await listen(server, options.listen);
  scope.add("HTTP server", () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { port };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: HttpServerOptions,
  limits: HttpLimits,
): Promise<void> {
  const refusal = refusalOf(incoming, options.allowedHosts ?? []);
  if (refusal !== undefined) return send(outgoing, refusal, "close");
  const body = await readBody(incoming, limits.maxBodyBytes);
  if (body === "too long") return send(outgoing, { status: 413, body: "Payload Too Large" }, "close");
  if (body === "cut off") return;
  const [path = "", ...query] = (incoming.url ?? "").split("?");
  const request = {
    method: incoming.method ?? "",
    path,
    query: query.join("?"),
    headers: headersOf(incoming),
    body,
    signal: abortedBy(outgoing, options.scope.signal),
  };
  send(outgoing, await handle(request, options), "keep-alive");
}

async function handle(request: HttpRequest, { handler, log }: HttpServerOptions): Promise<HttpResponse> {
  try {
    return await handler(request);
  } catch (error) {
    log.error("HTTP request failed unexpectedly", { error });
    return { status: 500, body: "Internal Server Error" };
  }
}

function send(outgoing: ServerResponse, response: HttpResponse, connection: "keep-alive" | "close"): void {
  const { status, contentType, body = "" } = response;
  outgoing.statusCode = status;
  if (contentType !== undefined) outgoing.setHeader("Content-Type", contentType);
  outgoing.setHeader("Content-Length", Buffer.byteLength(body));
  if (connection === "close") outgoing.setHeader("Connection", "close");
  outgoing.end(body);
}

async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | "too long" | "cut off"> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      length += chunk.length;
      if (length > maxBytes) return "too long";
      chunks.push(chunk);
    }
  } catch {
    // The client went away in the middle of its request: there is nobody to answer.
    return "cut off";
  }
  return Buffer.concat(chunks);
}

function headersOf(incoming: IncomingMessage): ReadonlyMap<string, string> {
  const entries = Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(", ")] as const);
  return new Map(entries);
}

function abortedBy(outgoing: ServerResponse, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  return AbortSignal.any([gone.signal, stopping]);
}
