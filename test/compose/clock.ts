import { setImmediate } from "node:timers/promises";
import type { Timing } from "../../guest/kbs/index.ts";

/** A clock whose pauses end when the test lets time pass. */
export class ManualTiming implements Timing {
  #nowMs = 0;
  readonly #startSeconds = Math.floor(Date.now() / 1000);
  readonly #sleepers = new Set<{ readonly endMs: number; readonly wake: () => void }>();

  readonly monotonicMs = (): number => this.#nowMs;
  readonly epochSeconds = (): number => this.#startSeconds + Math.floor(this.#nowMs / 1000);
  readonly random = (): number => 0.5;

  readonly sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((wake, reject) => {
      this.#sleepers.add({ endMs: this.#nowMs + milliseconds, wake });
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });

  /** Lets time pass in one step: each pause that is over by then ends, and what follows from it happens. */
  async pass(milliseconds: number): Promise<void> {
    this.#nowMs += milliseconds;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.endMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    for (let turn = 0; turn < 10; turn++) await setImmediate();
  }
}
