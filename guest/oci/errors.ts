import { type ErrorCode, GuestError, type GuestErrorDetails } from "../core/errors.ts";

/**
 * Why an image could not be used:
 * `reference` the name is malformed; `registry` it could not be reached or answered nonsense; `access` it refused us;
 * `not-found`; `integrity` bytes differ from their digest or size; `invalid-image` malformed, unsupported or hostile
 * content; `limit` a cap was exceeded; `policy` the image policy or a signature says no; `decryption` a layer's key or
 * ciphertext is wrong; `store` the guest could not unpack or mount.
 */
export type ImageErrorKind = keyof typeof codes;

const codes = {
  reference: "invalid-argument",
  registry: "unavailable",
  access: "unauthenticated",
  "not-found": "not-found",
  integrity: "data-loss",
  "invalid-image": "failed-precondition",
  limit: "resource-exhausted",
  policy: "permission-denied",
  decryption: "permission-denied",
  store: "internal",
} as const satisfies Record<string, ErrorCode>;

/** A failure of a pull. `kind` says what went wrong, the message names the host, digest or entry concerned. */
export class ImageError extends GuestError {
  override readonly name = "ImageError";
  readonly kind: ImageErrorKind;

  constructor(kind: ImageErrorKind, message: string, details: GuestErrorDetails = {}) {
    super(codes[kind], message, details);
    this.kind = kind;
  }
}
