import type { Claims } from "./tokens.ts";
import type { EvidenceVerifier } from "./verifier.ts";

/** What a resource policy decides on (spec/kbs-server.md 5). */
export interface PolicyInput {
  readonly plugin: string;
  readonly path: readonly string[];
  readonly claims: Claims;
}

/** True releases the resource. */
export type ResourcePolicy = (input: PolicyInput) => boolean;

/** An answer that is given instead of the real one, once. */
export interface ForcedReply {
  readonly status: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never answer: the connection stays open until the server closes. */
  readonly hang?: boolean;
  /** Close the connection without an answer. */
  readonly reset?: boolean;
}

/** How the broker misbehaves. Tests change it while the broker runs. */
export interface Faults {
  /** Replies that come before real ones, oldest first, by step. */
  readonly forced?: Partial<Record<"auth" | "attest" | "resource", ForcedReply[]>>;
  /** The challenge isn't the one that the session remembers. */
  otherNonce?: boolean;
  /** Resources are encrypted to somebody else's key. */
  otherKey?: boolean;
  /** Changes a resource's JWE before it is sent. */
  tamper?: (jwe: Record<string, string>) => Record<string, string>;
}

/** How an embedded key broker behaves. */
export interface KbsOptions {
  /** Plaintext by `repository/type/tag`. */
  readonly resources?: Readonly<Record<string, string | Uint8Array>>;
  /** Absent: everything that exists is released to whoever attests. */
  readonly policy?: ResourcePolicy;
  /** PEM of the server; plain HTTP without. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Verifiers besides the sample one. */
  readonly verifiers?: Readonly<Record<string, EvidenceVerifier>>;
  readonly sessionSeconds?: number;
  readonly tokenSeconds?: number;
  /** Sent as `selected-hash-algorithm` and used; absent: SHA-384 without saying so, as for all TEEs but `se`. */
  readonly hash?: "sha256" | "sha384" | "sha512";
  /** An admin's bearer token for POST and DELETE of resources; absent: admins are refused. */
  readonly adminToken?: string;
  readonly faults?: Faults;
}
