import { setTimeout as wait } from "node:timers/promises";
import { describeFailure, GuestError } from "../../core/errors.ts";
import { firstDelayMs, lastDelayMs, lateMs } from "./limits.ts";
import type { MetadataAccess, UserDataSource } from "./source.ts";
import { UserDataError } from "./user-data-error.ts";

/** The clock that fetching goes by. */
export interface FetchClock {
  /** Milliseconds. */
  now(): number;
  /** @throws when the signal is aborted meanwhile */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The clock of this machine. */
export const systemClock: FetchClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }),
};

/**
 * Gets user data once, trying again while the network or the service isn't ready: after a second at first, every five seconds
 * later. What has come whole is not asked for again, whatever is in it.
 *
 * @param limits how long all attempts together may take; onLate is told once why it takes so long
 * @returns the cloud-config document, empty when there is none
 * @throws UserDataError when what came can't be used; GuestError `unavailable` with the last failure when the time is over
 */
export async function fetchUserData(
  source: UserDataSource,
  access: MetadataAccess,
  limits: {
    readonly deadlineMs: number;
    readonly clock: FetchClock;
    readonly onLate?: ((line: string) => void) | undefined;
  },
): Promise<Uint8Array> {
  const { deadlineMs, clock } = limits;
  let { onLate } = limits;
  const start = clock.now();
  const deadline = start + deadlineMs;
  const signal = AbortSignal.any([access.signal, AbortSignal.timeout(deadlineMs)]);
  let reason: unknown;
  for (let delayMs = firstDelayMs, attempt = 1; ; attempt += 1) {
    try {
      return await source.fetch({ ...access, signal });
    } catch (error) {
      access.signal.throwIfAborted();
      if (error instanceof UserDataError) throw error;
      // An attempt that was cut short at the end doesn't say what is wrong, the one before it does.
      if (!signal.aborted || reason === undefined) reason = error;
      if (signal.aborted || clock.now() + delayMs >= deadline) {
        const problem = `user data: ${source.name} has given none in ${deadlineMs / 1000} s (attempts: ${attempt})`;
        throw new GuestError("unavailable", problem, { cause: reason });
      }
      if (clock.now() - start >= lateMs) {
        const seconds = `${lateMs / 1000} of ${deadlineMs / 1000} s`;
        onLate?.(`user data: ${source.name} has given none in ${seconds}, trying on: ${describeFailure(error)}`);
        onLate = undefined;
      }
      access.log.warn("user data not there yet", { source: source.name, attempt, error });
    }
    await clock.sleep(delayMs, access.signal);
    delayMs = Math.min(delayMs + firstDelayMs, lastDelayMs);
  }
}
