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
 * The messages of a failure and of all its causes, outermost first, joined by ": ", each with the path that it is about; what repeats
 * what stands before it is left out. Where several things have failed (AggregateError), all of them, joined by ", ". For the guest's
 * log and console.
 */
export function describeFailure(thrown: unknown): string {
  return describe(thrown, new Set());
}

/** @param seen what is described already: failures may hold each other in a circle */
function describe(thrown: unknown, seen: Set<unknown>): string {
  const messages: string[] = [];
  const isNew = (text: string): boolean => text !== "" && !messages.some((outer) => outer.includes(text));
  const add = (message: string, path = ""): void => {
    if (isNew(message)) messages.push(isNew(path) && !message.includes(path) ? `${message} (${path})` : message);
  };
  for (let current = thrown; current !== undefined && !seen.has(current); ) {
    seen.add(current);
    add(messageOf(current), pathOf(current));
    if (current instanceof AggregateError) add(describeAll(current.errors, seen));
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages.join(": ");
}

function pathOf(thrown: unknown): string | undefined {
  const path = thrown instanceof GuestError ? thrown.fields["path"] : undefined;
  return typeof path === "string" ? path : undefined;
}

function describeAll(failures: readonly unknown[], seen: Set<unknown>): string {
  const descriptions = new Set(failures.map((failure) => describe(failure, seen)));
  descriptions.delete("");
  return [...descriptions].join(", ");
}
