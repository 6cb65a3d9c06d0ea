import type { Timing } from "../../guest/kbs/index.ts";

/** A clock that stands still until it is moved, and pauses that pass at once and are remembered. */
export class FakeTiming implements Timing {
  nowMs = 1_000_000;
  wallSeconds = Math.floor(Date.now() / 1000);
  readonly pauses: number[] = [];
  readonly monotonicMs = (): number => this.nowMs;
  readonly epochSeconds = (): number => this.wallSeconds;
  readonly random = (): number => 0.5;
  readonly sleep = (milliseconds: number): Promise<void> => {
    this.pauses.push(milliseconds);
    this.nowMs += milliseconds;
    return Promise.resolve();
  };
}
