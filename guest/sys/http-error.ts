import { type ErrorCode, GuestError } from "../core/errors.ts";

/**
 * How far a request came. Who runs the pod VM sees by it what is wrong: no NAT gateway, a wrong certificate, a server that
 * answers but refuses (spec/scenarios.md N3).
 */
export type HttpStage = "resolve" | "connect" | "tls" | "request" | "response" | "redirect";

/** A request that got no usable answer. Its message names the server and the stage. */
export class HttpError extends GuestError {
  override readonly name = "HttpError";
  readonly stage: HttpStage;

  constructor(stage: HttpStage, code: ErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
    this.stage = stage;
  }
}

/** Turns a failure of node:http into a sentence. @param endpoint `host:port` */
export function describeHttpFailure(stage: HttpStage, endpoint: string, cause: unknown): HttpError {
  if (cause instanceof HttpError) return cause;
  const reason = reasonOf(cause);
  const sentences: Readonly<Record<HttpStage, string>> = {
    resolve: `the name of ${endpoint} can't be resolved: ${reason}`,
    connect: `can't connect to ${endpoint}: ${reason}`,
    tls: `TLS with ${endpoint} failed: ${reason}`,
    request: `the request to ${endpoint} broke off: ${reason}`,
    response: `the answer of ${endpoint} broke off: ${reason}`,
    redirect: `${endpoint} redirects: ${reason}`,
  };
  return new HttpError(stage, "unavailable", sentences[stage], cause);
}

/** Node tries several addresses and reports an AggregateError without a message of its own. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0)
    return [...new Set(cause.errors.map(reasonOf))].join(", ");
  if (cause instanceof Error) return cause.message;
  return String(cause);
}
