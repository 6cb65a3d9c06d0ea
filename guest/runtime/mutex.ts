/** Lets one action run at a time, in the order of asking. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Waits for the actions before this one and runs it. A failing action does not hinder the next.
   *
   * @returns what the action returns
   */
  run<T>(action: () => T | Promise<T>): Promise<T> {
    const mine = this.#last.then(action);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
