import { GuestError } from "../core/errors.ts";
import { libc } from "./libc.ts";
import { lastError } from "./system-error.ts";

/**
 * Sets the clock of the whole machine.
 *
 * @param seconds since the epoch
 * @param microseconds 0 to 999999
 * @throws GuestError `invalid-argument` for times out of range; SystemError of settimeofday(2)
 */
export function setSystemTime(seconds: bigint, microseconds: bigint): void {
  const maxSeconds = 253_402_300_799n; // the year 9999
  if (seconds < 0n || seconds > maxSeconds || microseconds < 0n || microseconds > 999_999n)
    throw new GuestError("invalid-argument", "time is out of range");
  const timeval = Buffer.allocUnsafe(16);
  timeval.writeBigInt64LE(seconds, 0);
  timeval.writeBigInt64LE(microseconds, 8);
  if (libc.settimeofday(timeval, null) !== 0) throw lastError("settimeofday");
}
