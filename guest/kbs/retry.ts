import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";
import type { Timing } from "./timing.ts";

/**
 * Runs an action again while its failure is transient: pauses double up to a bound, and half of each is left to chance, so that
 * a thousand VMs that a broker's restart has thrown out don't come back at the same moment.
 *
 * @param maxAttempts the first one included
 * @param signal ends the pauses
 * @throws what the last attempt threw; with its number of attempts in the message when there were several
 */
export async function withRetries<T>(
  maxAttempts: number,
  timing: Timing,
  signal: AbortSignal,
  action: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await action(attempt);
    } catch (error) {
      if (!(error instanceof KbsError) || !error.transient) throw error;
      if (attempt === maxAttempts) throw exhausted(error, attempt);
      await timing.sleep(pauseMs(attempt, timing.random()), signal).catch(() => {
        // That the time is up says less than what has gone wrong until then.
        throw exhausted(error, attempt);
      });
    }
  }
}

function pauseMs(attempt: number, random: number): number {
  const full = Math.min(limits.firstPauseMs * 2 ** (attempt - 1), limits.maxPauseMs);
  return Math.round(full / 2 + (full / 2) * random);
}

function exhausted(error: KbsError, attempts: number): KbsError {
  const tried = attempts === 1 ? "" : ` (tried ${attempts} times)`;
  return new KbsError(error.failure, error.message + tried, {
    cause: error,
    fields: error.fields,
  });
}
