/**
 * The closed set of failure codes, numbered as gRPC and ttRPC number them (spec/ttrpc.md 3.1), so that one table maps them
 * to every protocol.
 */
export const statusCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "already-exists": 6,
  "permission-denied": 7,
  "resource-exhausted": 8,
  "failed-precondition": 9,
  aborted: 10,
  "out-of-range": 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  "data-loss": 15,
  unauthenticated: 16,
} as const;

/** A failure code; `ok` is no failure and therefore not one. */
export type ErrorCode = Exclude<keyof typeof statusCodes, "ok">;

/** What a {@link GuestError} may carry besides its code and sentence. */
export interface GuestErrorDetails {
  /** The failure underneath; it goes to the guest's log and never to the peer. */
  readonly cause?: unknown;
  /** Values for the guest's log (ids, sizes, paths; never secrets or request bodies). */
  readonly fields?: Readonly<Record<string, unknown>>;
  /**
   * The exact text that the peer gets, where the reference's callers match on it (spec/agent-rpc.md 3). Without it the peer
   * gets `message`.
   */
  readonly peerMessage?: string;
}

/**
 * Every failure that podkeep raises on purpose: a code that maps to each protocol, one sentence a person can act on, and
 * the cause for the guest's log.
 */
export class GuestError extends Error {
  override readonly name: string = "GuestError";
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly peerMessage: string;

  constructor(code: ErrorCode, message: string, details: GuestErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? {};
    this.peerMessage = details.peerMessage ?? message;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * The messages of a failure and of all its causes, outermost first, joined by ": "; one that repeats what stands before it is left
 * out. For the guest's log and console.
 */
export function describeFailure(thrown: unknown): string {
  const messages: string[] = [];
  for (let current: unknown = thrown, depth = 0; current !== undefined && depth < 10; depth++) {
    const message = messageOf(current);
    if (!messages.some((outer) => outer.includes(message))) messages.push(message);
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages.join(": ");
}
