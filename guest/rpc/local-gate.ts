import type { Gate, GateDecision } from "./method.ts";

const allowed: GateDecision<never> = { kind: "allow", commit: () => {}, rollback: () => {} };

/**
 * Allows every call. Only for the hub's unix sockets, which nobody but root in the guest can open: there is no policy for
 * these services, and what the host can ask of them it asks through the agent, whose gate has decided.
 */
export const localGate: Gate = { decide: () => allowed };
