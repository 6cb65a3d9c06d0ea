import { type ErrorCode, GuestError, type GuestErrorDetails } from "../core/errors.ts";

/**
 * Why a key broker gave no resource:
 * `configuration` the address or certificate is unusable; `invalid-uri` the name of the resource is;
 * `unreachable` no answer came (name, connection, TLS); `timeout` it came too late;
 * `unauthorized` attestation was refused or a token not accepted; `denied` the broker refused this resource (its policy, or
 * there is no such resource: it does not tell); `not-found` there is no such plug-in or path;
 * `server` the broker failed; `malformed` its answer is no part of the protocol; `decryption` its answer is not for our key;
 * `evidence` this VM could not make evidence.
 */
export type KbsFailure =
  | "configuration"
  | "invalid-uri"
  | "unreachable"
  | "timeout"
  | "unauthorized"
  | "denied"
  | "not-found"
  | "server"
  | "malformed"
  | "decryption"
  | "evidence";

const codes: Readonly<Record<KbsFailure, ErrorCode>> = {
  configuration: "failed-precondition",
  "invalid-uri": "invalid-argument",
  unreachable: "unavailable",
  timeout: "deadline-exceeded",
  unauthorized: "unauthenticated",
  denied: "permission-denied",
  "not-found": "not-found",
  server: "unavailable",
  malformed: "internal",
  decryption: "internal",
  evidence: "failed-precondition",
};

/** A failure on the way to a resource. */
export class KbsError extends GuestError {
  override readonly name: string = "KbsError";
  readonly failure: KbsFailure;
  /** Whether the same call may succeed a moment later. */
  readonly transient: boolean;

  constructor(
    failure: KbsFailure,
    message: string,
    details: GuestErrorDetails & { readonly transient?: boolean } = {},
  ) {
    super(codes[failure], message, details);
    this.failure = failure;
    this.transient = details.transient ?? false;
  }
}
