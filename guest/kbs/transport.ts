import { GuestError, messageOf } from "../core/errors.ts";
import { HttpClient, type HttpResponse } from "../sys/http-client.ts";
import { HttpError } from "../sys/http-error.ts";
import type { KbsEndpoint } from "./endpoint.ts";
import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";

/** A request to the broker. */
export interface KbsRequest {
  /** Below `/kbs/v0/`, query included. */
  readonly path: string;
  /** JSON to post; a GET when absent. */
  readonly body?: string;
  /** `cookie` or `authorization`. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

/** The broker's whole answer. */
export interface KbsResponse {
  readonly status: number;
  /** By lower-case name; several of one name are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Talks to one broker and to nobody else. */
export interface KbsTransport {
  /** @throws KbsError `unreachable`, `timeout` or `malformed` (a redirect, a body that is too long or isn't JSON) */
  send(request: KbsRequest): Promise<KbsResponse>;
  /** Closes the connections. */
  close(): void;
}

/** Connects to a broker. The configured certificate, when there is one, is the only root that is trusted (threat model row 94). */
export function createTransport({ url, certificate }: KbsEndpoint): KbsTransport {
  const http = new HttpClient({
    trust: certificate === undefined ? { kind: "public" } : { kind: "only", certificates: [certificate] },
  });
  return { send, close: () => http.close() };

  async function send(request: KbsRequest): Promise<KbsResponse> {
    try {
      return await readResponse(await exchange(request), request.maxBodyBytes);
    } catch (cause) {
      throw cause instanceof KbsError ? cause : transportFailure(cause, request.signal);
    }
  }

  function exchange({ path, body, credentials, signal }: KbsRequest): Promise<HttpResponse> {
    const request = { url: `${url}/kbs/v0/${path}`, timeoutMs: limits.requestTimeoutMs, signal };
    if (body === undefined) return http.request({ ...request, headers: credentials });
    const headers = { ...credentials, "content-type": "application/json" };
    return http.request({ ...request, method: "POST", headers, body });
  }
}

async function readResponse(response: HttpResponse, maxBodyBytes: number): Promise<KbsResponse> {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    response.discard();
    throw new KbsError("malformed", "the key broker redirects; it is asked only where the configuration says", {
      fields: { status },
    });
  }
  // A missing type is tolerated; another one comes from something else than a key broker.
  if (status === 200 && !/^(application\/json\s*(;|$)|$)/i.test(headers.get("content-type") ?? "")) {
    response.discard();
    throw new KbsError("malformed", "the key broker's answer is not application/json");
  }
  return { status, headers, body: await response.bytes(status === 200 ? maxBodyBytes : limits.maxErrorBytes) };
}

function transportFailure(cause: unknown, signal: AbortSignal): KbsError {
  if (signal.aborted) return new KbsError("timeout", "the key broker was not waited for any longer", { cause });
  const message = `no answer from the key broker: ${messageOf(cause)}`;
  if (!(cause instanceof HttpError)) {
    return new KbsError(cause instanceof GuestError ? "malformed" : "unreachable", message, { cause });
  }
  if (cause.code === "deadline-exceeded") return new KbsError("timeout", message, { cause, transient: true });
  // A certificate doesn't become right by asking again.
  return new KbsError("unreachable", message, { cause, transient: cause.stage !== "tls" });
}
