/** The variables of one rule while it is evaluated. */
import type { Value } from "../value.ts";
import type { Evaluation, World } from "./evaluation.ts";
import type { PartialObject } from "./partial-object.ts";
import type { Progress } from "./trace.ts";

/** Slots for a rule's variables. A plan never reads a slot that it has not filled before. */
export class Frame {
  readonly evaluation: Evaluation;
  readonly slots: (Value | undefined)[];
  /** What the rule has given so far. */
  result: Value | undefined = undefined;
  /** How far the body has come, while it is being traced. */
  progress: Progress | undefined = undefined;
  /** The partial object that the rule adds to. */
  members: PartialObject | undefined = undefined;
  /** The worlds outside the `with` literals that are being evaluated. */
  outerWorlds: World[] | undefined = undefined;

  constructor(evaluation: Evaluation, size: number) {
    this.evaluation = evaluation;
    this.slots = new Array<Value | undefined>(size);
  }
}

/** Compiled code that gives a value, or undefined. */
export type Get = (frame: Frame) => Value | undefined;

/** Compiled code that goes on to what comes after it for each solution. True means: stop, no more solutions are wanted. */
export type Execute = (frame: Frame) => boolean;

/** Compiled code that takes a value apart: whether it has the shape wanted. Fills slots. */
export type Match = (frame: Frame, value: Value) => boolean;
