/** Prints a line a step with its time and counts. */
export class Steps {
  readonly #write: (text: string) => void;
  readonly #title: string;
  readonly #start = performance.now();
  #passed = 0;
  #failed = 0;

  /** @param title what the summary line begins with */
  constructor(write: (text: string) => void, title = "demo") {
    this.#write = write;
    this.#title = title;
  }

  /**
   * Runs one step. What it returns is printed behind its name; what it throws is printed, counted and thrown on, since later
   * steps build on it.
   */
  async step<T>(name: string, action: () => Promise<T>, show: (result: T) => string = () => ""): Promise<T> {
    const start = performance.now();
    try {
      const result = await action();
      this.#passed += 1;
      this.#line("ok", name, start, show(result));
      return result;
    } catch (error) {
      this.#failed += 1;
      this.#line("FAILED", name, start, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Further lines below a step. */
  note(text: string): void {
    for (const line of text.split("\n")) this.#write(`           ${line}\n`);
  }

  /** The summary line. @returns whether every step did what it should */
  finish(): boolean {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(1);
    this.#write(`${this.#title}: ${this.#passed} steps passed, ${this.#failed} failed, ${seconds} s\n`);
    return this.#failed === 0;
  }

  #line(state: string, name: string, start: number, detail: string): void {
    const time = `${(performance.now() - start).toFixed(0)} ms`.padStart(8);
    this.#write(`${time}  ${state === "ok" ? "" : `${state}: `}${name}${detail === "" ? "" : `: ${detail}`}\n`);
  }
}

/** @throws Error that says what was found, unless the condition holds */
export function expectThat(condition: boolean, found: string): void {
  if (!condition) throw new Error(`not as it should be: ${found}`);
}
