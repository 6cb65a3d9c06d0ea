import { setTimeout as wait } from "node:timers/promises";
import { describeFailure, GuestError } from "../../core/errors.ts";
import { fetchDeadlineMs, firstDelayMs, lastDelayMs } from "./limits.ts";
import type { MetadataAccess, UserDataSource } from "./source.ts";
import { UserDataError } from "./user-data-error.ts";

/** The clock that fetching goes by. */
export interface FetchClock {
  /** Milliseconds. */
  now(): number;
  /** @throws when the signal is aborted meanwhile */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const systemClock: FetchClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }),
};

/**
 * Gets user data once, trying again while the network or the service isn't ready: each second at first, each five seconds
 * later, for three minutes. What has come whole is not asked for again, whatever is in it.
 *
 * @returns the cloud-config document, empty when there is none
 * @throws UserDataError when what came can't be used; GuestError `unavailable` with the last failure when the time is over
 */
export async function fetchUserData(
  source: UserDataSource,
  access: MetadataAccess,
  clock: FetchClock = systemClock,
): Promise<Uint8Array> {
  const deadline = clock.now() + fetchDeadlineMs;
  const signal = AbortSignal.any([access.signal, AbortSignal.timeout(fetchDeadlineMs)]);
  for (
    let delayMs = firstDelayMs, attempt = 1;
    ;
    delayMs = Math.min(delayMs + firstDelayMs, lastDelayMs), attempt += 1
  ) {
    try {
      return await source.fetch({ ...access, signal });
    } catch (error) {
      access.signal.throwIfAborted();
      if (error instanceof UserDataError) throw error;
      if (clock.now() + delayMs >= deadline) {
        const problem = `user data: no answer from ${source.name} after ${attempt} attempts: ${describeFailure(error)}`;
        throw new GuestError("unavailable", problem, { cause: error });
      }
      access.log.warn("user data not there yet", { source: source.name, attempt, error: describeFailure(error) });
    }
    await clock.sleep(delayMs, access.signal);
  }
}
