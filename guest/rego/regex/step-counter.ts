import { RegexLimitError } from "./errors.ts";
import { defaultMaxSteps } from "./limits.ts";

/** Counts the work of matching. Linear time still grows with pattern times subject, so it has a ceiling. */
export class StepCounter {
  readonly maximum: number;
  #spent = 0;

  constructor(maximum: number = defaultMaxSteps) {
    this.maximum = maximum;
  }

  /** Counts steps; throws RegexLimitError when there are more than the maximum. */
  spend(steps: number): void {
    this.#spent += steps;
    if (this.#spent > this.maximum) throw new RegexLimitError("regular expression match takes too many steps");
  }

  /** Steps taken so far. */
  get spent(): number {
    return this.#spent;
  }
}
