import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { boundPort, listenTcp } from "../../guest/sys/socket.ts";
import { type Blob, type BuiltImage, sha256 } from "./image-builder.ts";

/** Answers a request in the registry's place. Return false to let the registry answer. */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Configuration of {@link startRegistry}. */
export interface RegistryOptions {
  /** With TLS when present. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Demands these credentials: `basic` with each request, `token` by Docker's token authentication. */
  readonly auth?: { readonly kind: "basic" | "token"; readonly username: string; readonly password: string };
  /** 0, any free one, when absent. */
  readonly port?: number;
  /** Where it listens in place of loopback. */
  readonly network?: { readonly namespace: string; readonly address: string };
}

/** A registry, on loopback as a rule, for tests and the demo: read-only by HTTP, filled by method. It can be told to misbehave. */
export interface Registry extends AsyncDisposable {
  /** Address and port, such as `127.0.0.1:5000`. */
  readonly host: string;
  /** `METHOD /path` of each request so far. */
  readonly requests: readonly string[];
  /** Stores an image under a tag; it can be had by its digest, too. @returns the reference with the tag */
  push(repository: string, tag: string, image: BuiltImage): string;
  /** Stores a manifest or index alone. */
  pushManifest(repository: string, tag: string, manifest: Blob): void;
  /** Stores a blob alone. */
  pushBlob(blob: Blob): void;
  /** Serves other bytes for a digest. */
  tamper(digest: string, bytes: Buffer): void;
  /** Lets somebody else answer from now on; the latest is asked first. */
  intercept(interceptor: Interceptor): void;
  close(): Promise<void>;
}

interface Content {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Starts a registry that speaks the pull part of the OCI distribution spec. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const manifests = new Map<string, Content & { digest: string }>();
  const blobs = new Map<string, Content>();
  const requests: string[] = [];
  const interceptors: Interceptor[] = [];

  const listener: RequestListener = (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (interceptors.some((interceptor) => interceptor(request, response))) return;
    if (request.url?.startsWith("/token?") === true) return answerToken(options, request, response);
    if (!isAuthorized(options, request)) return challenge(options, request, response);
    const found = lookUp(request.url ?? "");
    if (found === undefined) return sendError(response, 404, "NOT_FOUND", "no such content");
    response.writeHead(200, found.headers).end(request.method === "HEAD" ? undefined : found.bytes);
  };

  const lookUp = (url: string) => {
    const [, repository, kind, name] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    const manifest = manifests.get(`${repository}/${name}`);
    if (kind === "manifests" && manifest !== undefined) {
      return { bytes: manifest.bytes, headers: headersOf(manifest, manifest.digest) };
    }
    const blob = blobs.get(name ?? "");
    if (kind === "blobs" && blob !== undefined) return { bytes: blob.bytes, headers: headersOf(blob) };
    return undefined;
  };

  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  const { namespace, address = "127.0.0.1" } = options.network ?? {};
  const fd = listenTcp({ host: address, port: options.port ?? 0, networkNamespace: namespace });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  const host = `${address}:${boundPort(fd)}`;

  const registry: Registry = {
    host,
    requests,
    push(repository, tag, image) {
      for (const blob of [image.config, ...image.layers]) registry.pushBlob(blob);
      registry.pushManifest(repository, tag, image.manifest);
      return `${host}/${repository}:${tag}`;
    },
    pushManifest(repository, tag, manifest) {
      manifests.set(`${repository}/${tag}`, manifest);
      manifests.set(`${repository}/${manifest.digest}`, manifest);
    },
    pushBlob: (blob) => void blobs.set(blob.digest, blob),
    tamper(digest, bytes) {
      const blob = blobs.get(digest);
      if (blob !== undefined) blobs.set(digest, { ...blob, bytes });
      for (const [key, manifest] of manifests) {
        if (manifest.digest === digest) manifests.set(key, { ...manifest, bytes });
      }
    },
    intercept: (interceptor) => void interceptors.unshift(interceptor),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    [Symbol.asyncDispose]: () => registry.close(),
  };
  return registry;
}

function headersOf({ mediaType, bytes }: Content, digest?: string): Record<string, string> {
  const headers = { "content-type": mediaType, "content-length": String(bytes.length) };
  return digest === undefined ? headers : { ...headers, "docker-content-digest": digest };
}

function isAuthorized({ auth }: RegistryOptions, request: IncomingMessage): boolean {
  if (auth === undefined) return true;
  const expected = auth.kind === "basic" ? basic(auth) : `Bearer ${tokenFor(auth)}`;
  return request.headers.authorization === expected;
}

function challenge({ auth, tls }: RegistryOptions, request: IncomingMessage, response: ServerResponse): void {
  const base = `${tls === undefined ? "http" : "https"}://${request.headers.host}`;
  const header =
    auth?.kind === "basic" ? 'Basic realm="test"' : `Bearer realm="${base}/token",service="test",scope="ignored"`;
  response.setHeader("www-authenticate", header);
  sendError(response, 401, "UNAUTHORIZED", "authentication required");
}

function answerToken({ auth }: RegistryOptions, request: IncomingMessage, response: ServerResponse): void {
  if (auth === undefined || request.headers.authorization !== basic(auth)) {
    sendError(response, 401, "UNAUTHORIZED", "wrong password");
    return;
  }
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ token: tokenFor(auth) }));
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function tokenFor({ username }: { username: string }): string {
  return sha256(username).slice("sha256:".length);
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
