import { GuestError } from "../../core/errors.ts";

/** Longest time that one timer can wait: 2^31 - 1 ms, 24 days. */
const maxTimerMs = 0x7fff_ffff;

/** The failure of a call whose time is over, in the words of the Go implementation. */
export function deadlineExceeded(): GuestError {
  return new GuestError("deadline-exceeded", "context deadline exceeded");
}

/**
 * Calls back when a call's time is over.
 *
 * @param timeoutNano nanoseconds from now, more than 0
 * @returns stops the timer
 */
export function startDeadline(timeoutNano: bigint, onExceeded: () => void): () => void {
  let leftMs = Number((timeoutNano + 999_999n) / 1_000_000n);
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    if (leftMs === 0) {
      onExceeded();
      return;
    }
    const stretchMs = Math.min(leftMs, maxTimerMs);
    leftMs -= stretchMs;
    timer = setTimeout(wait, stretchMs);
  };
  wait();
  return () => clearTimeout(timer);
}
