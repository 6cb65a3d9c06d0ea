import type { Log } from "../../core/log.ts";
import type { HttpClient, HttpRequest } from "../../sys/http-client.ts";
import { decodeWrappedBase64 } from "../base64.ts";
import { requestTimeoutMs } from "./limits.ts";
import { UserDataError } from "./user-data-error.ts";

/** What a source asks a metadata service with. */
export interface MetadataAccess {
  /** Uses no proxy and follows no redirect. */
  readonly http: Pick<HttpClient, "request">;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Where a platform keeps user data. */
export interface UserDataSource {
  readonly name: string;
  /**
   * One attempt.
   *
   * @returns the cloud-config document; empty when the VM has none
   * @throws UserDataError when what came can't be used; any other error when trying again may help
   */
  fetch(access: MetadataAccess): Promise<Uint8Array>;
}

/**
 * The body of a metadata service's answer. Status 200 is the only success.
 *
 * @throws UserDataError when it is too long; Error for another status, a redirect among them
 */
export async function fetchBody(access: MetadataAccess, request: HttpRequest, maxBytes: number): Promise<Uint8Array> {
  const response = await access.http.request({ timeoutMs: requestTimeoutMs, signal: access.signal, ...request });
  if (response.status !== 200) {
    response.discard();
    throw new Error(`${String(request.url)} answers ${response.status}${explain(response.status)}`);
  }
  const declared = Number(response.headers.get("content-length") ?? 0);
  if (declared > maxBytes) {
    response.discard();
    throw tooLong(maxBytes);
  }
  try {
    return await response.bytes(maxBytes);
  } catch (cause) {
    if (isOverLimit(cause)) throw tooLong(maxBytes);
    throw cause;
  }
}

/**
 * The document behind a platform's base64.
 *
 * @throws UserDataError when it is anything else
 */
export function decodeBody(body: Uint8Array): Uint8Array {
  const document = decodeWrappedBase64(Buffer.from(body).toString("latin1"));
  if (document === undefined) throw new UserDataError("not standard base64");
  return document;
}

function explain(status: number): string {
  if (status === 404) return " (the VM has no user data, or not yet)";
  return status >= 300 && status < 400 ? " (redirects are not followed)" : "";
}

function isOverLimit(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "resource-exhausted";
}

function tooLong(maxBytes: number): UserDataError {
  return new UserDataError(`longer than ${maxBytes} bytes`);
}
