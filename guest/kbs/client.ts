import type { Log } from "../core/log.ts";
import { KbsError } from "./errors.ts";
import { decryptJwe } from "./jwe.ts";
import { limits } from "./limits.ts";
import { parseErrorReply } from "./messages.ts";
import type { ResourceUri } from "./resource-uri.ts";
import { withRetries } from "./retry.ts";
import { type KbsSession, type OpenSession, SessionCache } from "./session.ts";
import type { Timing } from "./timing.ts";
import type { KbsResponse, KbsTransport } from "./transport.ts";

/** Fetches what a key broker holds. */
export interface ResourceProvider {
  /** @throws KbsError */
  getResource(uri: ResourceUri, signal: AbortSignal): Promise<Uint8Array>;
}

/** What a client of a key broker needs. */
export interface KbsClientOptions {
  readonly transport: KbsTransport;
  readonly openSession: OpenSession;
  readonly timing: Timing;
  readonly log: Log;
  /** Aborted when the service stops. */
  readonly lifetime: AbortSignal;
}

/** Refusals that are about the token, not about the resource. */
const tokenVariants: ReadonlySet<string> = new Set(["TokenNotFound", "TokenVerifierError", ""]);

/**
 * A client of one key broker. Many resources share a session. It is replaced when the broker doesn't know or accept its token,
 * and when a resource is refused to a session that isn't new (the verifier's opinion of this VM may have changed since): at most
 * {@link limits.maxResourceAttempts} times a request. The reference attests three times for each missing resource.
 */
export function createKbsClient({ transport, openSession, timing, log, lifetime }: KbsClientOptions): ResourceProvider {
  const sessions = new SessionCache(openSession, timing, lifetime);
  return { getResource };

  async function getResource(uri: ResourceUri, signal: AbortSignal): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt += 1) {
      const { session, ageMs } = await sessions.use(signal);
      const response = await withRetries(limits.maxResourceAttempts, timing, signal, () =>
        fetchOnce(uri, session, signal),
      );
      if (response.status === 200) return decryptJwe(response.body, session.key);
      const { variant, detail } = parseErrorReply(response.body);
      const mayBeStale = tokenVariants.has(variant) || ageMs >= limits.denialRenewalAgeMs;
      if (!mayBeStale || attempt === limits.maxResourceAttempts) throw refusal(uri, variant, detail);
      log.debug("key broker refused, attesting anew", { plugin: uri.plugin, variant, attempt });
      sessions.discard(session);
    }
  }

  /** @returns an answer with status 200 or 401 */
  async function fetchOnce(uri: ResourceUri, session: KbsSession, signal: AbortSignal): Promise<KbsResponse> {
    const query = uri.query === "" ? "" : `?${uri.query}`;
    const response = await transport.send({
      path: `${uri.plugin}/${uri.path}${query}`,
      credentials: session.credentials,
      maxBodyBytes: limits.maxResourceBytes,
      signal,
    });
    if (response.status === 200 || response.status === 401) return response;
    const fields = { status: response.status, plugin: uri.plugin };
    if (response.status === 404) {
      throw new KbsError("not-found", `the key broker has no plugin ${uri.plugin} or no such path`, { fields });
    }
    const transient = response.status >= 502 && response.status <= 504;
    throw new KbsError("server", `the key broker answered with status ${response.status}`, { fields, transient });
  }
}

function refusal(uri: ResourceUri, variant: string, detail: string): KbsError {
  const fields = { variant, detail, plugin: uri.plugin, path: uri.path };
  if (tokenVariants.has(variant)) {
    return new KbsError("unauthorized", "the key broker does not accept this VM's attestation token", { fields });
  }
  const message = `the key broker refused ${uri.plugin} ${uri.path}: ${detail === "" ? variant : detail}`;
  return new KbsError("denied", message, { fields });
}
