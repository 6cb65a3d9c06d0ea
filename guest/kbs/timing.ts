import { setTimeout as wait } from "node:timers/promises";

/** The clock and the dice, so that tests need neither wait nor hope. */
export interface Timing {
  /** Milliseconds that only grow, whatever the host does to the wall clock (threat model row 93). */
  readonly monotonicMs: () => number;
  /** Seconds since the epoch, by the guest's clock. */
  readonly epochSeconds: () => number;
  /** @throws the signal's reason when it is aborted */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 inclusive to 1 exclusive; need not be unpredictable. */
  readonly random: () => number;
}

/** The real clock and dice. */
export const systemTiming: Timing = {
  monotonicMs: () => performance.now(),
  epochSeconds: () => Math.floor(Date.now() / 1000),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
  random: Math.random,
};
