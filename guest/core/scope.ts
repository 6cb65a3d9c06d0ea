/** Something that holds a resource until it is told to let go. */
export type Closer = () => void | Promise<void>;

/**
 * Owns what must be closed: listeners, timers, children, mounts. Closes in the reverse order of adding, once, and goes on
 * when one closer fails.
 */
export class Scope implements AsyncDisposable {
  readonly #closers: { readonly name: string; readonly close: Closer }[] = [];
  readonly #abort = new AbortController();
  #closing: Promise<void> | undefined;

  /** Aborted as soon as the scope begins to close. Hand it to everything that waits. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Adds what must be closed.
   *
   * @param name what it is, for the report of a failure
   * @throws TypeError when the scope is closing already: what was opened would never be closed
   */
  add(name: string, close: Closer): void {
    if (this.#closing !== undefined) throw new TypeError(`scope is closed, cannot take ${name}`);
    this.#closers.push({ name, close });
  }

  /**
   * Closes everything. Calling again waits for the same end.
   *
   * @throws AggregateError with the failures of the closers, after all of them ran
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeAll(): Promise<void> {
    this.#abort.abort();
    const failures: unknown[] = [];
    for (const { name, close } of this.#closers.reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(new Error(`closing ${name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be closed");
  }
}
