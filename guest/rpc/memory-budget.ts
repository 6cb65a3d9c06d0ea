/**
 * Bounds the bytes that all connections of a port hold for requests, half received or being worked on. A connection that
 * wants more than its small free share waits until others have let go; the bytes stay in the kernel and the peer is slowed
 * down by TCP.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  readonly #waiting = new Set<() => void>();
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether more is held than should be. */
  get exhausted(): boolean {
    return this.#heldBytes > this.#maxBytes;
  }

  /** Notes that a connection holds `delta` more (or fewer, when negative) bytes. Wakes all who wait when there is room. */
  change(delta: number): void {
    this.#heldBytes += delta;
    if (this.exhausted || this.#waiting.size === 0) return;
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }

  /** Calls back once when there is room again. */
  onRoom(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** Takes back {@link onRoom}. */
  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}
