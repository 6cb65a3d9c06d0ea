import { type ErrorCode, GuestError } from "../core/errors.ts";
import { quoteForPeer } from "../policy/peer-text.ts";

/**
 * A failure whose text the reference sends in quotes: an explicit code with a string (spec/agent-rpc.md 3). Shims match on
 * words inside.
 */
export function quotedError(code: ErrorCode, message: string, cause?: unknown): GuestError {
  return new GuestError(code, message, { peerMessage: quoteForPeer(message), cause });
}

/** Container lookup by lifecycle methods. */
export function unknownContainer(): GuestError {
  return new GuestError("internal", "Invalid container id");
}

/** Container lookup by methods that answer INVALID_ARGUMENT. */
export function quotedUnknownContainer(): GuestError {
  return quotedError("invalid-argument", "invalid container id");
}

/** A request that no setting of ours can carry out; the reason goes to the peer. */
export function refusal(message: string, fields: Readonly<Record<string, unknown>> = {}): GuestError {
  return new GuestError("permission-denied", message, { fields });
}
