/** Variants of the broker's errors with their status (spec/kbs-protocol.md 2.5). */
const statusOf = {
  AttestationError: 401,
  TokenNotFound: 401,
  TokenVerifierError: 401,
  PolicyDeny: 401,
  PluginInternalError: 401,
  JweError: 401,
  AdminAuthAccess: 401,
  SerdeError: 401,
  PluginNotFound: 404,
  InvalidRequestPath: 404,
} as const;

/** A variant's name. */
export type Variant = keyof typeof statusOf;

/** A refusal that goes to the client. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: string;

  constructor(variant: Variant, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.status = statusOf[variant];
    this.body = JSON.stringify({ type: `https://github.com/confidential-containers/kbs/errors/${variant}`, detail });
  }
}

/** Makes a refusal. */
export function refuse(variant: Variant, detail: string, cause?: unknown): Refusal {
  return new Refusal(variant, detail, cause);
}
