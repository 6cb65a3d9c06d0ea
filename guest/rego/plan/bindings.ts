/** Which variables have a value at the place that is being planned. */
import type { Local } from "../analysis/resolved.ts";
import type { Step } from "./plan.ts";

/** Thrown where a variable without a value is needed: the literal has to wait. */
export const notReady = new Error("a variable has no value yet");

/** The slots of one rule's frame, as planning goes along. */
export class Bindings {
  /** Slots of the frame. */
  frameSize: number;
  /** Slots that the pattern being planned binds: filled, but only once the pattern has matched. */
  readonly tentative = new Set<number>();
  /** Variables that were needed and had no value. */
  readonly missing = new Map<number, Local>();
  /** Slots that have a value, in the order in which they got it. */
  readonly #bound = new Set<number>();

  constructor(localCount: number) {
    this.frameSize = localCount;
  }

  /** Whether the slot has a value. */
  has(slot: number): boolean {
    return this.#bound.has(slot);
  }

  /** A further slot, for a value without a name. */
  newSlot(): number {
    this.frameSize += 1;
    return this.frameSize - 1;
  }

  /** Notes that a variable is missing; what it returns is to be thrown. */
  miss(local: Local): Error {
    this.missing.set(local.slot, local);
    return notReady;
  }

  /** The variables of the pattern just planned now have a value. */
  settle(): void {
    for (const slot of this.tentative) {
      this.#bound.add(slot);
      this.missing.delete(slot);
    }
    this.tentative.clear();
  }

  /** A place to return to. */
  mark(): number {
    return this.#bound.size;
  }

  /** Forgets what has been bound since the mark. */
  rollback(mark: number): void {
    // A set enumerates in the order of insertion.
    for (const slot of [...this.#bound].slice(mark)) {
      this.#bound.delete(slot);
    }
    this.tentative.clear();
  }

  /** Runs a planning function; when it is not ready, forgets what it bound and returns undefined. */
  attempt<T>(plan: () => T): T | undefined {
    const mark = this.mark();
    try {
      return plan();
    } catch (cause) {
      if (cause !== notReady) {
        throw cause;
      }
      this.rollback(mark);
      return undefined;
    }
  }
}

/** Where the planner stands in a body. */
export interface Place {
  /** Closures around. */
  readonly depth: number;
  /** Only variables of code this deep may be bound here: not those of code around a closure or a negation. */
  readonly bindable: number;
  /** Takes the steps, in order. */
  readonly steps: Step[];
}

/** The place at the start of a closure. */
export function closurePlace(outer: Place): Place {
  return { depth: outer.depth + 1, bindable: outer.depth + 1, steps: [] };
}
