import type { Alphabet } from "./alphabet.ts";

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

/** A compiled pattern: parallel arrays, one entry an instruction. */
export interface Program {
  readonly opcodes: Uint8Array;
  readonly next: Int32Array;
  readonly arguments: Int32Array;
  readonly start: number;
  /** All conditions that occur in the program. */
  readonly assertions: number;
  /** Two for each group, the whole match included. */
  readonly slotCount: number;
  readonly alphabet: Alphabet;
}
