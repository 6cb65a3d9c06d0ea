import { isJsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { orAborted } from "../core/or-aborted.ts";
import { KbsError } from "./errors.ts";
import { attest, type HandshakeOptions } from "./handshake.ts";
import { limits } from "./limits.ts";
import { parseTeeKeyPem, type TeeKey } from "./tee-key.ts";
import type { Timing } from "./timing.ts";
import { parseTokenTimes } from "./token.ts";

/** What shows a broker that this VM is attested, and opens its answers. */
export interface KbsSession {
  /** `Cookie` or `Authorization`. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly key: TeeKey;
  /** The attestation token. */
  readonly token: string;
}

/** Opens a session; each call attests anew. */
export type OpenSession = (signal: AbortSignal) => Promise<KbsSession>;

/** Gets the bytes that the attestation agent's GetToken answers for type `kbs`. */
export type GetAgentToken = (signal: AbortSignal) => Promise<Uint8Array>;

/** Background check: the broker remembers the attestation, the session's cookie stands for it (spec/kbs-protocol.md 7.2). */
export function backgroundCheck(options: HandshakeOptions): OpenSession {
  return async (signal) => {
    const { token, key, cookie } = await attest(options, signal);
    return { credentials: { cookie }, key, token };
  };
}

/** Passport: the attestation agent attests, its token is shown to the broker (spec/kbs-protocol.md 6.4). */
export function passport(getAgentToken: GetAgentToken): OpenSession {
  return async (signal) => {
    const { token, teeKeypair } = parseAgentToken(await getAgentToken(signal));
    return { credentials: { authorization: `Bearer ${token}` }, key: parseTeeKeyPem(teeKeypair), token };
  };
}

/** The JSON that GetToken answers for type `kbs`: a JWT and the private key that it names, in PEM. */
export function encodeAgentToken(token: string, teeKeypair: string): Uint8Array {
  return Buffer.from(JSON.stringify({ token, tee_keypair: teeKeypair }));
}

function parseAgentToken(bytes: Uint8Array): { readonly token: string; readonly teeKeypair: string } {
  let reply: JsonValue;
  try {
    reply = parseJson(bytes);
  } catch {
    // The parser's message could show a part of the key.
    throw new KbsError("malformed", "the attestation agent's token is not JSON");
  }
  const { token, tee_keypair: teeKeypair } = isJsonObject(reply) ? reply : {};
  if (typeof token !== "string" || typeof teeKeypair !== "string") {
    throw new KbsError("malformed", "the attestation agent's token lacks token or tee_keypair");
  }
  return { token, teeKeypair };
}

/** A session and how long ago it was opened. */
export interface SessionUse {
  readonly session: KbsSession;
  readonly ageMs: number;
}

/**
 * Keeps one session and hands it to everybody until shortly before its token ends. Callers who come while it is being opened wait
 * for that one handshake. The end is reckoned from the token's own life span on the monotonic clock, so that a host that turns
 * the wall clock back can't prolong it (threat model rows 93, 98).
 */
export class SessionCache {
  readonly #open: OpenSession;
  readonly #timing: Timing;
  readonly #lifetime: AbortSignal;
  #current: OpenedSession | undefined;
  #opening: Promise<OpenedSession> | undefined;

  /** @param lifetime aborts an opening handshake when the service stops */
  constructor(open: OpenSession, timing: Timing, lifetime: AbortSignal) {
    this.#open = open;
    this.#timing = timing;
    this.#lifetime = lifetime;
  }

  /** @throws what opening the session throws, or the signal's reason; other callers go on waiting then */
  async use(signal: AbortSignal): Promise<SessionUse> {
    signal.throwIfAborted();
    const nowMs = this.#timing.monotonicMs();
    if (this.#current !== undefined && nowMs >= this.#current.usableUntilMs) this.#current = undefined;
    const opened = this.#current ?? (await orAborted(this.#openingHandshake(), signal));
    return { session: opened.session, ageMs: Math.max(0, nowMs - opened.openedAtMs) };
  }

  #openingHandshake(): Promise<OpenedSession> {
    this.#opening ??= this.#openOnce();
    return this.#opening;
  }

  /** Forgets a session that the broker doesn't accept; a newer one stays. */
  discard(session: KbsSession): void {
    if (this.#current?.session === session) this.#current = undefined;
  }

  async #openOnce(): Promise<OpenedSession> {
    try {
      const session = await this.#open(this.#lifetime);
      const openedAtMs = this.#timing.monotonicMs();
      this.#current = { session, openedAtMs, usableUntilMs: openedAtMs + usableMs(session.token, this.#timing) };
      return this.#current;
    } finally {
      this.#opening = undefined;
    }
  }
}

interface OpenedSession {
  readonly session: KbsSession;
  readonly openedAtMs: number;
  readonly usableUntilMs: number;
}

function usableMs(token: string, timing: Timing): number {
  const { expiresAt, issuedAt } = parseTokenTimes(token);
  const lifetimeMs = (expiresAt - (issuedAt ?? timing.epochSeconds())) * 1000;
  return lifetimeMs - Math.min(limits.tokenMarginMs, lifetimeMs * limits.tokenMarginShare);
}
