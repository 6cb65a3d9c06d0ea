/**
 * Runs an asynchronous action on all items, at most `limit` at a time. The first failure stops the others by their signal and
 * is thrown when all have ended, so that nothing goes on behind the caller's back.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  action: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failure = new AbortController();
  const combined = AbortSignal.any([signal, failure.signal]);
  const results = new Array<R>(items.length);
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      combined.throwIfAborted();
      results[index] = await action(item, combined);
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, () =>
    worker().catch((error: unknown) => failure.abort(error)),
  );
  await Promise.all(workers);
  signal.throwIfAborted();
  // The signal keeps the first reason; those that it stopped came later.
  if (failure.signal.aborted) throw failure.signal.reason;
  return results;
}

interface RunningWork<T> {
  readonly promise: Promise<T>;
  readonly abort: AbortController;
  waiters: number;
}

/**
 * Lets several callers who need the same thing wait for one piece of work. It is stopped when the last of them has gone.
 */
export class SharedWork<K, T> {
  readonly #running = new Map<K, RunningWork<T>>();

  /** Whether somebody is at it. */
  isRunning(key: K): boolean {
    return this.#running.has(key);
  }

  /**
   * Joins the work on this key, or begins it.
   *
   * @throws what the work throws; the signal's reason when it is aborted, as soon as work that nobody else waits for has ended
   */
  async run(key: K, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#begin(key, work);
    running.waiters++;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([running.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (--running.waiters === 0) await this.#stop(running, signal.reason);
    }
  }

  #begin(key: K, work: (signal: AbortSignal) => Promise<T>): RunningWork<T> {
    const abort = new AbortController();
    const promise = work(abort.signal).finally(() => this.#running.delete(key));
    const running = { promise, abort, waiters: 0 };
    this.#running.set(key, running);
    return running;
  }

  async #stop(running: RunningWork<T>, reason: unknown): Promise<void> {
    running.abort.abort(reason);
    // Its failure is the waiters' business, who are gone or have seen it.
    await running.promise.catch(() => {});
  }
}
