import { GuestError } from "../core/errors.ts";
import { quoteForPeer } from "./peer-text.ts";

/** A request that the policy didn't let pass, with the text that the reference's callers know (spec/policy-enforcement.md 5.1). */
export class PolicyRefusal extends GuestError {
  override readonly name = "PolicyRefusal";
}

/**
 * The rule is false.
 *
 * @param prints what the rules printed; empty unless measured debug is on, since prints hold inputs and policy (row 21)
 */
export function blockedByPolicy(entrypoint: string, prints: string): PolicyRefusal {
  const message = `${entrypoint} is blocked by policy: ${prints}`;
  return new PolicyRefusal("permission-denied", `${entrypoint} is blocked by policy`, {
    peerMessage: quoteForPeer(message),
  });
}

/** The policy has no rule for the request, or none that applies. */
export function undefinedInPolicy(entrypoint: string): PolicyRefusal {
  return internal(entrypoint, "policy check: unexpected eval_query result len 0");
}

/** The policy failed, or what it gave is no decision. The reason is in the guest's log only. */
export function noAnswerOfPolicy(entrypoint: string, cause?: unknown): PolicyRefusal {
  return internal(entrypoint, "policy evaluation failed", cause);
}

function internal(entrypoint: string, detail: string, cause?: unknown): PolicyRefusal {
  const message = `${entrypoint}: internal error ${detail}`;
  return new PolicyRefusal("internal", message, { cause, peerMessage: quoteForPeer(message) });
}
