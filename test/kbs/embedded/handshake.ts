import { randomBytes, randomUUID } from "node:crypto";
import { Refusal, refuse } from "./errors.ts";
import type { KbsOptions } from "./options.ts";
import { parseTeePublicKey } from "./tee-public-key.ts";
import type { TokenIssuer } from "./tokens.ts";
import { type AttestationMessage, builtInVerifiers, verifyAttestation } from "./verifier.ts";

/** TEEs whose names the broker knows (spec/attestation-agent.md 1.6). */
const knownTees =
  "az-snp-vtpm az-tdx-vtpm nvidia sgx snp tdx cca csv se hygondcu tpm nvidia-dpu sample sampledevice".split(" ");

const attestFailed = "Attestation error: RCAR handshake Attest failed";

interface Session {
  readonly tee: string;
  readonly nonce: string;
  readonly expiresAtMs: number;
  token?: string;
}

/** What a step of the handshake answers. */
export interface HandshakeReply {
  readonly sessionId: string;
  readonly expiresAtMs: number;
  readonly body: object;
}

/** The broker's half of the handshake and its sessions (spec/kbs-server.md 3). */
export class HandshakeServer {
  readonly #sessions = new Map<string, Session>();
  readonly #options: KbsOptions;
  readonly #issuer: TokenIssuer;

  constructor(options: KbsOptions, issuer: TokenIssuer) {
    this.#options = options;
    this.#issuer = issuer;
  }

  /** POST /auth */
  challenge(body: string): HandshakeReply {
    const failed = (cause: string): Refusal =>
      refuse("AttestationError", `Attestation error: RCAR handshake Auth failed: ${cause}`);
    const request = parseBody(body);
    const version = request["version"];
    const tee = request["tee"];
    if (typeof version !== "string" || typeof tee !== "string" || !("extra-params" in request)) {
      throw failed("request lacks a member");
    }
    if (version !== "0.4.0") {
      throw failed(`KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is ${version}`);
    }
    if (!knownTees.includes(tee)) throw failed(`unknown TEE ${tee}`);
    const nonce = randomBytes(32).toString("base64");
    const sessionId = randomUUID().replaceAll("-", "");
    const expiresAtMs = Date.now() + (this.#options.sessionSeconds ?? 300) * 1000;
    this.#sessions.set(sessionId, { tee, nonce, expiresAtMs });
    const sent = this.#options.faults?.otherNonce ? randomBytes(32).toString("base64") : nonce;
    const hash = this.#options.hash;
    return {
      sessionId,
      expiresAtMs,
      body: { nonce: sent, "extra-params": hash === undefined ? "" : { "selected-hash-algorithm": hash } },
    };
  }

  /** POST /attest */
  attest(body: string, sessionId: string | undefined): HandshakeReply {
    const session = this.#live(sessionId);
    if (session === undefined || sessionId === undefined) throw refuse("AttestationError", attestFailed);
    try {
      session.token ??= this.#verify(parseBody(body) as unknown as AttestationMessage, session);
    } catch (cause) {
      throw cause instanceof Refusal ? cause : refuse("AttestationError", attestFailed, cause);
    }
    return { sessionId, expiresAtMs: session.expiresAtMs, body: { token: session.token } };
  }

  /** The token of an attested session that has not expired. */
  tokenOf(sessionId: string | undefined): string | undefined {
    return this.#live(sessionId)?.token;
  }

  /** Forgets every session, as a restart with storage in memory does. */
  forgetSessions(): void {
    this.#sessions.clear();
  }

  #live(sessionId: string | undefined): Session | undefined {
    const session = this.#sessions.get(sessionId ?? "");
    return session !== undefined && session.expiresAtMs > Date.now() ? session : undefined;
  }

  /** Any member that is missing makes this throw, and every throw becomes the one refusal. */
  #verify(message: AttestationMessage, session: Session): string {
    if (message["runtime-data"].nonce !== session.nonce) throw new Error("nonce is not the session's");
    const key = parseTeePublicKey(message["runtime-data"]["tee-pubkey"]);
    const expected = { tee: session.tee, nonce: session.nonce, key, hash: this.#options.hash ?? "sha384" };
    const claims = verifyAttestation(message, expected, { ...builtInVerifiers, ...this.#options.verifiers });
    return this.#issuer.issue(claims, Math.floor(Date.now() / 1000), this.#options.tokenSeconds ?? 300);
  }
}

function parseBody(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw refuse("SerdeError", "Serialize/Deserialize failed", cause);
  }
}
