/** Caps on what a key broker may send and how long it may take. The broker is authenticated, the network to it is not. */
export const limits = {
  /** Reference value of the client (spec/kbs-protocol.md 6.1). */
  requestTimeoutMs: 60_000,
  /** A whole handshake with its retries; callers wait 50 s at most (spec/cdh.md 2), retries beyond serve nobody. */
  handshakeTimeoutMs: 120_000,
  maxHandshakeAttempts: 5,
  maxResourceAttempts: 3,
  /** A refusal of the resource itself makes an older session attest anew; a workload that polls can't cause more. */
  denialRenewalAgeMs: 30_000,
  /** First pause between attempts; doubled each time up to `maxPauseMs`, halved at random. */
  firstPauseMs: 1_000,
  maxPauseMs: 8_000,
  maxChallengeBytes: 64 * 1024,
  /** With GPUs the token's claims carry the evidence of every device. */
  maxAttestationBytes: 4 * 1024 * 1024,
  /** Base64 of the largest resource that fits in a ttRPC message (4 MiB). */
  maxResourceBytes: 6 * 1024 * 1024,
  maxErrorBytes: 64 * 1024,
  /** How much of a broker's error text goes into the log. */
  maxErrorDetail: 500,
  maxNonceLength: 16 * 1024,
  maxCookies: 16,
  maxCookieLength: 4_096,
  maxUriLength: 4_096,
  /** A token is renewed when less than this share of its life, or `tokenMarginMs`, is left; whichever is shorter. */
  tokenMarginShare: 0.1,
  tokenMarginMs: 30_000,
} as const;
