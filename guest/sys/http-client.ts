import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import tls from "node:tls";
import { GuestError } from "../core/errors.ts";
import { describeHttpFailure, HttpError, type HttpStage } from "./http-error.ts";
import { parseIpAddress } from "./ip-address.ts";
import { defaultHttpTimeoutMs, defaultMaxBodyBytes, maxHeaderSize, maxRedirects } from "./limits.ts";

/** How many connections to one server there are at most, and how many of them wait for the next request. */
const connections = { keepAlive: true, maxSockets: 16, maxFreeSockets: 4 } as const;

/** Which servers are believed to be who they say. */
export type Trust =
  /** Those with a certificate of the authorities that Node carries. */
  | { readonly kind: "public" }
  /** Those with a certificate of one of these (PEM), and no other. */
  | { readonly kind: "only"; readonly certificates: readonly string[] }
  /** Both. */
  | { readonly kind: "public-and"; readonly certificates: readonly string[] };

/** A request. */
export interface HttpRequest {
  /** http: or https:. User and password in it are refused. */
  readonly url: string | URL;
  /** GET when absent. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Time until the answer's headers, and between two pieces of its body. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked before a redirect is followed; without it a redirect is an answer like any other. */
  readonly allowRedirect?: (url: URL) => boolean;
}

/** An answer, whatever its status. Its body must be read or discarded, else the connection stays busy. */
export interface HttpResponse {
  readonly status: number;
  /** By lower-case name; several of one name are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** The body as it comes, with back-pressure. Fails when it breaks off, stalls or is cancelled. */
  readonly stream: Readable;
  /**
   * The whole body.
   *
   * @throws GuestError `resource-exhausted` when it is over `maxBytes`; HttpError
   */
  bytes(maxBytes?: number): Promise<Buffer>;
  /** Lets go of the body unread. */
  discard(): void;
}

/**
 * Requests to servers outside: keeps connections open for the next request, uses no proxy, takes nothing from the environment
 * and follows no redirect that it isn't told to.
 */
export class HttpClient {
  readonly #http = new http.Agent(connections);
  readonly #https: https.Agent;

  constructor(options: { readonly trust?: Trust } = {}) {
    // Made once: reading all the authorities for each connection would take longer than the handshake.
    const secureContext = createSecureContext(options.trust ?? { kind: "public" });
    this.#https = new https.Agent({ ...connections, secureContext });
  }

  /**
   * Sends a request and waits for the headers of the answer.
   *
   * @throws HttpError with the stage that failed; `deadline-exceeded` and `cancelled` are told by its code. GuestError
   *   `invalid-argument` for a URL that can't be meant
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const { allowRedirect } = request;
    let current = request;
    let url = parseHttpUrl(request.url);
    for (let redirects = 0; ; redirects++) {
      const response = await this.#exchange(url, current);
      const location = redirectLocation(response);
      if (location === undefined || allowRedirect === undefined) return response;
      response.discard();
      const next = resolveLocation(location, url);
      checkRedirect(url, next, redirects, allowRedirect);
      current = redirectedRequest(current, response.status, url, next);
      url = next;
    }
  }

  /** Closes the connections. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * A kept connection may be closed by the server just when it is used again; then nothing was done, and it's tried anew. A network
   * in between can have dropped all that were kept.
   */
  async #exchange(url: URL, request: HttpRequest): Promise<HttpResponse> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.#exchangeOnce(url, request);
      } catch (error) {
        if (!(error instanceof ClosedKeptConnection)) throw error;
        if (!isIdempotent(request) || retries === connections.maxFreeSockets) throw error.failure;
      }
    }
  }

  #exchangeOnce(url: URL, request: HttpRequest): Promise<HttpResponse> {
    const secure = url.protocol === "https:";
    const timeoutMs = request.timeoutMs ?? defaultHttpTimeoutMs;
    const body = typeof request.body === "string" ? Buffer.from(request.body) : request.body;
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const outgoing = (secure ? https : http).request(url, {
      method: request.method ?? "GET",
      headers: { ...request.headers, ...(body === undefined ? {} : { "content-length": String(body.length) }) },
      agent: secure ? this.#https : this.#http,
      maxHeaderSize,
    });
    const stage = followProgress(outgoing, url);
    let stop = (error: HttpError): void => {
      outgoing.destroy(error);
      reject(error);
    };
    const onAbort = (): void =>
      stop(new HttpError(stage(), "cancelled", `request to ${endpointOf(url)} was cancelled`));
    const timer = setTimeout(() => stop(timedOut(stage(), url, timeoutMs)), timeoutMs);
    outgoing.on("error", (error) => reject(failureOf(outgoing, stage(), url, error)));
    outgoing.on("response", (incoming) => {
      clearTimeout(timer);
      stop = (error) => incoming.destroy(error);
      incoming.setTimeout(timeoutMs, () => stop(timedOut("response", url, timeoutMs)));
      resolve(toResponse(url, incoming));
    });
    outgoing.once("close", () => {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
    });
    request.signal?.addEventListener("abort", onAbort, { once: true });
    if (request.signal?.aborted === true) onAbort();
    else outgoing.end(body);
    return promise;
  }
}

/** Tells a failure that may be tried again from the others. */
class ClosedKeptConnection {
  readonly failure: HttpError;
  constructor(failure: HttpError) {
    this.failure = failure;
  }
}

function failureOf(outgoing: http.ClientRequest, stage: HttpStage, url: URL, cause: Error): unknown {
  const failure = describeHttpFailure(stage, endpointOf(url), cause);
  const wasReset = "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE");
  return outgoing.reusedSocket && wasReset ? new ClosedKeptConnection(failure) : failure;
}

function isIdempotent(request: HttpRequest): boolean {
  return ["GET", "HEAD", "PUT", "DELETE"].includes(request.method ?? "GET");
}

/** Follows the connection of a request, so that a failure can be told by its stage. */
function followProgress(outgoing: http.ClientRequest, url: URL): () => HttpStage {
  const isNumeric = parseIpAddress(url.hostname.replace(/^\[|\]$/g, "")) !== undefined;
  let stage: HttpStage = isNumeric ? "connect" : "resolve";
  outgoing.once("socket", (socket: Socket) => {
    if (!socket.connecting) {
      stage = "request";
      return;
    }
    socket.once("lookup", (error: Error | null) => {
      if (error === null) stage = "connect";
    });
    socket.once("connect", () => {
      stage = url.protocol === "https:" ? "tls" : "request";
    });
    socket.once("secureConnect", () => {
      stage = "request";
    });
  });
  return () => stage;
}

function toResponse(url: URL, incoming: http.IncomingMessage): HttpResponse {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  const stream = incoming;
  return {
    status: incoming.statusCode ?? 0,
    headers,
    url,
    stream,
    bytes: (maxBytes = defaultMaxBodyBytes) => readBody(url, stream, maxBytes),
    discard: () => stream.destroy(),
  };
}

async function readBody(url: URL, stream: Readable, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let total = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      total += piece.length;
      if (total > maxBytes)
        throw new GuestError("resource-exhausted", `the answer of ${endpointOf(url)} is over ${maxBytes} bytes`);
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof GuestError ? error : describeHttpFailure("response", endpointOf(url), error);
  }
  return Buffer.concat(pieces, total);
}

function parseHttpUrl(url: string | URL): URL {
  const parsed = URL.canParse(url.toString()) ? new URL(url) : undefined;
  if (
    parsed === undefined ||
    !["http:", "https:"].includes(parsed.protocol) ||
    parsed.username + parsed.password !== ""
  )
    throw new GuestError("invalid-argument", "a URL must be http or https and hold no user or password");
  return parsed;
}

/** Where an answer redirects to, as it says; undefined when it is no redirect. */
function redirectLocation({ status, headers }: HttpResponse): string | undefined {
  return [301, 302, 303, 307, 308].includes(status) ? headers.get("location") : undefined;
}

function resolveLocation(location: string, from: URL): URL {
  if (URL.canParse(location, from)) return parseHttpUrl(new URL(location, from));
  throw new HttpError("redirect", "unavailable", `${endpointOf(from)} redirects to something that is no URL`);
}

function checkRedirect(from: URL, to: URL, redirects: number, allow: (url: URL) => boolean): void {
  const refuse = (why: string): HttpError =>
    new HttpError("redirect", "unavailable", `${endpointOf(from)} redirects to ${endpointOf(to)}: ${why}`);
  if (redirects >= maxRedirects) throw refuse("too many redirects");
  if (from.protocol === "https:" && to.protocol === "http:") throw refuse("that would give up TLS");
  if (!allow(to)) throw refuse("not allowed");
}

/** Credentials are for the server they were meant for; a request that changes to GET has no body. */
function redirectedRequest(request: HttpRequest, status: number, from: URL, to: URL): HttpRequest {
  const { body, headers = {}, ...rest } = request;
  const private_ = new Set(["authorization", "cookie", "proxy-authorization"]);
  const kept =
    from.origin === to.origin
      ? headers
      : Object.fromEntries(Object.entries(headers).filter(([name]) => !private_.has(name.toLowerCase())));
  const method = request.method ?? "GET";
  const becomesGet = status === 303 || ((status === 301 || status === 302) && method === "POST");
  if (becomesGet && method !== "HEAD") return { ...rest, headers: kept, method: "GET" };
  return { ...rest, headers: kept, ...(body === undefined ? {} : { body }) };
}

function timedOut(stage: HttpStage, url: URL, timeoutMs: number): HttpError {
  const doing: Readonly<Record<HttpStage, string>> = {
    resolve: "resolving the name took",
    connect: "connecting took",
    tls: "the TLS handshake took",
    request: "the answer took",
    response: "the answer stalled for",
    redirect: "redirecting took",
  };
  return new HttpError(stage, "deadline-exceeded", `${endpointOf(url)}: ${doing[stage]} over ${timeoutMs} ms`);
}

function endpointOf(url: URL): string {
  return `${url.hostname}:${url.port === "" ? (url.protocol === "https:" ? 443 : 80) : url.port}`;
}

function createSecureContext(trust: Trust): tls.SecureContext {
  const minVersion = "TLSv1.2";
  if (trust.kind === "public") return tls.createSecureContext({ minVersion });
  const publicOnes = trust.kind === "public-and" ? tls.getCACertificates("bundled") : [];
  return tls.createSecureContext({ minVersion, ca: [...publicOnes, ...trust.certificates] });
}
