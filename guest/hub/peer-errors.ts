import { GuestError } from "../core/errors.ts";

/**
 * Runs an action and turns whatever it throws into the one status that the reference gives its callers: INTERNAL with a fixed text
 * (spec/attestation-agent.md 1.1, spec/cdh.md 2.2). What happened goes to the guest's log and to nobody else.
 *
 * @param peerMessage the text, or a function of the failure where the reference shows a part of it
 */
export async function withPeerMessage<T>(
  peerMessage: string | ((error: unknown) => string),
  action: () => Promise<T> | T,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const text = typeof peerMessage === "string" ? peerMessage : peerMessage(cause);
    const fields = cause instanceof GuestError ? cause.fields : {};
    throw new GuestError("internal", text, { cause, fields, peerMessage: text });
  }
}
