import { Alphabet } from "./alphabet.ts";
import type { Ranges } from "./char-class.ts";

/** What an instruction does. */
export const Opcode = {
  /** The pattern has matched. */
  match: 0,
  /** Continue at `next` and, with lower priority, at `argument`. */
  fork: 1,
  /** Consume one code point that is in the class `argument`, continue at `next`. */
  consume: 2,
  /** Note the position in slot `argument`, continue at `next`. */
  capture: 3,
  /** Continue at `next` if the conditions `argument` hold here. */
  assert: 4,
} as const;

/** A compiled pattern as instructions: parallel arrays, one entry an instruction. */
export interface Instructions {
  readonly opcodes: Uint8Array;
  readonly next: Int32Array;
  readonly arguments: Int32Array;
  readonly start: number;
  /** All conditions that occur in the program. */
  readonly assertions: number;
  /** Two for each group, the whole match included. */
  readonly slotCount: number;
  /** The classes that instructions consume, by number. */
  readonly classes: readonly Ranges[];
}

/** A compiled pattern with what automata need to run it. */
export class Program implements Instructions {
  readonly opcodes: Uint8Array;
  readonly next: Int32Array;
  readonly arguments: Int32Array;
  readonly start: number;
  readonly assertions: number;
  readonly slotCount: number;
  readonly classes: readonly Ranges[];
  #alphabet: Alphabet | undefined;

  constructor(instructions: Instructions) {
    this.opcodes = instructions.opcodes;
    this.next = instructions.next;
    this.arguments = instructions.arguments;
    this.start = instructions.start;
    this.assertions = instructions.assertions;
    this.slotCount = instructions.slotCount;
    this.classes = instructions.classes;
  }

  /** The letters that the classes tell apart. Made when first asked for: the backtracker does without. */
  get alphabet(): Alphabet {
    this.#alphabet ??= new Alphabet(this.classes, this.assertions !== 0);
    return this.#alphabet;
  }
}
