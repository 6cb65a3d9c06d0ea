import { GuestError } from "../../core/errors.ts";
import type { HttpClient, HttpResponse } from "../../sys/http-client.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";

/** What sends the requests. Its errors name the host and tell DNS, connection, TLS and time-out apart. */
export type RequestSender = Pick<HttpClient, "request">;

/** A GET request to a registry or its token service. */
export interface GetRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Whether to go where the answer points to. The sender never gives up TLS nor shows credentials to another origin. */
  readonly followRedirects: boolean;
}

/**
 * Sends a GET request.
 *
 * @returns the answer, whatever its status; its body must be read or discarded
 * @throws ImageError `registry`; the signal's reason when it was aborted
 */
export async function httpGet(
  sender: RequestSender,
  { url, headers, signal, followRedirects }: GetRequest,
  { stallTimeoutMs: timeoutMs }: Pick<ImageLimits, "stallTimeoutMs">,
): Promise<HttpResponse> {
  try {
    const allowRedirect = { allowRedirect: () => true };
    return await sender.request({ url, headers, signal, timeoutMs, ...(followRedirects ? allowRedirect : {}) });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof GuestError)) throw error;
    throw new ImageError("registry", `registry error: ${error.message}`, { cause: error });
  }
}

/** The error for an answer that is no success; takes the registry's own words from the body, which it consumes. */
export async function statusError(
  response: HttpResponse,
  what: string,
  limits: Pick<ImageLimits, "maxSmallBodyBytes">,
): Promise<ImageError> {
  const { status } = response;
  const kind = status === 401 || status === 403 ? "access" : status === 404 ? "not-found" : "registry";
  const words = await registryWords(response, limits.maxSmallBodyBytes);
  return new ImageError(kind, `${what}: HTTP ${status}${words === "" ? "" : ` (${words})`}`, { fields: { status } });
}

/** `code: message` of the first error in the body that the distribution spec describes, shortened; else nothing. */
async function registryWords(response: HttpResponse, maxBytes: number): Promise<string> {
  try {
    const text = (await response.bytes(maxBytes)).toString("utf8");
    const code = /"code"\s*:\s*"([A-Z_]{1,60})"/i.exec(text);
    const message = /"message"\s*:\s*"([ -!#-[\]-~]{1,200})/.exec(text);
    return [code?.[1], message?.[1]].filter((part) => part !== undefined).join(": ");
  } catch {
    // The body only embellishes an error that is thrown anyway.
    return "";
  }
}
