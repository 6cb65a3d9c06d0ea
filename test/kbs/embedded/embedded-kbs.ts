import { generateKeyPairSync } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Refusal, refuse } from "./errors.ts";
import { type HandshakeReply, HandshakeServer } from "./handshake.ts";
import { encryptForTee } from "./jwe.ts";
import type { ForcedReply, KbsOptions, ResourcePolicy } from "./options.ts";
import { parseTeePublicKey } from "./tee-public-key.ts";
import { type Claims, TokenIssuer } from "./tokens.ts";
import { annotatedEvidence } from "./verifier.ts";

export type { Faults, ForcedReply, KbsOptions, ResourcePolicy } from "./options.ts";

/** A request that came, for tests to count and look at. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A running key broker. */
export interface EmbeddedKbs {
  /** Without a trailing slash. */
  readonly url: string;
  /** PEM to trust; undefined over plain HTTP. */
  readonly certificate: string | undefined;
  readonly requests: readonly SeenRequest[];
  /** Plaintext by `repository/type/tag`; may be changed while the broker runs. */
  readonly resources: Map<string, Uint8Array>;
  /** Forgets sessions, as a restart does. */
  forgetSessions(): void;
  close(): Promise<void>;
}

/** Releases to guests whose initdata has one of these digests (standard base64), as sample policies for production do. */
export function onlyInitData(...digests: readonly string[]): ResourcePolicy {
  return ({ claims }) => digests.includes(String(annotatedEvidence(claims)["init_data"]));
}

/** The broker's default policy: nothing for sample evidence (spec/kbs-server.md 5). */
export const nothingForSample: ResourcePolicy = ({ claims }) => !("sample" in annotatedEvidence(claims));

const maxBodyBytes = 2 * 1024 * 1024;
const segment = /^[A-Za-z0-9_-]+[A-Za-z0-9_.-]*$/;

/**
 * Starts a key broker on loopback that is strict about everything that the real one is strict about (spec/kbs-server.md 7): real
 * keys, real signatures, its own reckoning of every digest. It is for tests and the demo: it verifies the sample TEE, which
 * proves nothing.
 */
export async function startKbs(options: KbsOptions = {}): Promise<EmbeddedKbs> {
  const broker = new Broker(options);
  const listener = (request: IncomingMessage, response: ServerResponse): void => void broker.serve(request, response);
  const server: Server =
    options.tls === undefined
      ? createServer(listener)
      : createTlsServer({ cert: options.tls.certificate, key: options.tls.privateKey }, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP listener has an address of this kind
  return {
    url: options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    certificate: options.tls?.certificate,
    requests: broker.requests,
    resources: broker.resources,
    forgetSessions: () => broker.handshakes.forgetSessions(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class Broker {
  readonly requests: SeenRequest[] = [];
  readonly resources: Map<string, Uint8Array>;
  readonly handshakes: HandshakeServer;
  readonly #options: KbsOptions;
  readonly #issuer = new TokenIssuer();

  constructor(options: KbsOptions) {
    this.#options = options;
    this.resources = new Map(
      Object.entries(options.resources ?? {}).map(([path, value]) => [path, Buffer.from(value)]),
    );
    this.handshakes = new HandshakeServer(options, this.#issuer);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const [path = ""] = (request.url ?? "").split("?");
    this.requests.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers, body });
    try {
      if (body.length > maxBodyBytes) response.writeHead(413).end();
      else if (path === "/healthz") response.end();
      else if (!path.startsWith("/kbs/v0/")) response.writeHead(404).end();
      else this.#route(request, path.slice("/kbs/v0/".length), body, response);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : refuse("PluginInternalError", "Plugin internal error", error);
      response.writeHead(refusal.status).end(refusal.body);
    }
  }

  #route(request: IncomingMessage, path: string, body: string, response: ServerResponse): void {
    const step = path === "auth" || path === "attest" ? path : "resource";
    const forced = this.#options.faults?.forced?.[step]?.shift();
    const sessionId = /(?:^|;\s*)kbs-session-id=([0-9a-f]{32})/.exec(request.headers.cookie ?? "")?.[1];
    const posted = request.method === "POST";
    if (forced !== undefined) force(forced, response);
    else if (posted && path === "auth") reply(response, this.handshakes.challenge(body));
    else if (posted && path === "attest") reply(response, this.handshakes.attest(body, sessionId));
    else this.#plugin(request, path, body, sessionId, response);
  }

  #plugin(
    request: IncomingMessage,
    path: string,
    body: string,
    sessionId: string | undefined,
    response: ServerResponse,
  ): void {
    const [plugin = "", ...rest] = path.split("/");
    if (plugin !== "resource") throw refuse("PluginNotFound", `Plugin ${plugin} not found`);
    if (request.method === "POST" || request.method === "DELETE") {
      this.#administer(request, rest.join("/"), body);
      response.writeHead(200, { "content-type": "text/xml" }).end();
      return;
    }
    const token = this.handshakes.tokenOf(sessionId) ?? bearerOf(request);
    if (token === undefined) throw refuse("TokenNotFound", "Attestation Token not found");
    const claims = this.#issuer.verify(token, Math.floor(Date.now() / 1000));
    // The policy speaks before anybody looks whether the resource exists.
    if (this.#options.policy?.({ plugin, path: rest, claims }) === false)
      throw refuse("PolicyDeny", "Access denied by policy");
    const wellFormed = request.method === "GET" && rest.length === 3 && rest.every((name) => segment.test(name));
    const plaintext = wellFormed ? this.resources.get(rest.join("/")) : undefined;
    if (plaintext === undefined) throw refuse("PluginInternalError", "Plugin internal error");
    sendJson(response, this.#encrypt(claims, plaintext));
  }

  #administer(request: IncomingMessage, path: string, body: string): void {
    if (this.#options.adminToken === undefined || bearerOf(request) !== this.#options.adminToken) {
      throw refuse("AdminAuthAccess", `admin access denied for endpoint ${request.url}: no role`);
    }
    if (request.method === "POST") this.resources.set(path, Buffer.from(body));
    else if (!this.resources.delete(path)) throw refuse("PluginInternalError", "Plugin internal error");
  }

  #encrypt(claims: Claims, plaintext: Uint8Array): object {
    const runtimeData = annotatedEvidence(claims)["runtime_data_claims"] as Record<string, unknown>; // our own token
    const faults = this.#options.faults;
    const named = parseTeePublicKey(runtimeData["tee-pubkey"]);
    const stranger = (): unknown => ({
      ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }),
      alg: "ECDH-ES+A256KW",
    });
    const jwe = encryptForTee(faults?.otherKey ? parseTeePublicKey(stranger()) : named, plaintext);
    return faults?.tamper?.(jwe) ?? jwe;
  }
}

function force(forced: ForcedReply, response: ServerResponse): void {
  if (forced.hang) return;
  if (forced.reset) response.destroy();
  else response.writeHead(forced.status, forced.headers).end(forced.body);
}

function reply(response: ServerResponse, { sessionId, expiresAtMs, body }: HandshakeReply): void {
  const expires = new Date(expiresAtMs).toUTCString();
  response.setHeader("set-cookie", `kbs-session-id=${sessionId}; Expires=${expires}`);
  sendJson(response, body);
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
}
