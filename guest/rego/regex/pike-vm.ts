import { indexOfText } from "../text-search.ts";
import { assertionsAt, contextAfter, contextAt } from "./position.ts";
import { Opcode, type Program } from "./program.ts";
import type { StepCounter } from "./step-counter.ts";

/** Threads of one position in order of preference: at most one for each instruction. */
class ThreadList {
  readonly instructions: Int32Array;
  /** The slots of each thread, one after the other. */
  readonly slots: Int32Array;
  readonly #indexes: Uint32Array;
  length = 0;

  constructor(programSize: number, slotCount: number) {
    this.instructions = new Int32Array(programSize);
    this.slots = new Int32Array(programSize * slotCount);
    this.#indexes = new Uint32Array(programSize);
  }

  has(instruction: number): boolean {
    const index = this.#indexes[instruction] as number; // one entry for each instruction
    return index < this.length && this.instructions[index] === instruction;
  }

  add(instruction: number): number {
    this.#indexes[instruction] = this.length;
    this.instructions[this.length] = instruction;
    return this.length++;
  }
}

/**
 * Finds the leftmost match that a backtracking engine would prefer, with its groups, in time linear in subject times
 * program: all threads advance together, one code point at a time (Pike's algorithm).
 */
export class PikeVm {
  readonly #program: Program;
  readonly #slotCount: number;
  readonly #anchored: boolean;
  readonly #prefix: string;
  #current: ThreadList;
  #following: ThreadList;
  readonly #stack: number[] = [];
  readonly #slots: Int32Array;

  /** `slotCount` says how many slots to track: 2 if only the match as a whole is wanted. `prefix`: every match starts so. */
  constructor(program: Program, slotCount: number, anchored: boolean, prefix: string) {
    this.#program = program;
    this.#slotCount = slotCount;
    this.#anchored = anchored;
    this.#prefix = prefix;
    this.#current = new ThreadList(program.opcodes.length, slotCount);
    this.#following = new ThreadList(program.opcodes.length, slotCount);
    this.#slots = new Int32Array(slotCount);
  }

  /**
   * The slots of the first match that starts at `from` or later: start and end of each group as UTF-16 offsets, -1 where
   * a group took no part; undefined if there is none. `from` must not be inside a surrogate pair.
   */
  find(subject: string, from: number, steps: StepCounter): Int32Array | undefined {
    const { alphabet, start } = this.#program;
    let match: Int32Array | undefined;
    let position = from;
    let context = contextAt(alphabet, subject, position);
    this.#current.length = 0;
    for (;;) {
      if (this.#current.length === 0) {
        if (match !== undefined || (this.#anchored && position > 0)) return match;
        const skipped = this.#prefix === "" ? position : indexOfText(subject, this.#prefix, position);
        if (skipped < 0) return undefined;
        steps.spend((skipped - position) >>> 4);
        if (skipped > position) context = contextAt(alphabet, subject, skipped);
        position = skipped;
      }
      const codePoint = subject.codePointAt(position);
      const letter = codePoint === undefined ? alphabet.size : alphabet.letterOf(codePoint);
      if (match === undefined && !(this.#anchored && position > 0)) {
        this.#slots.fill(-1);
        this.#follow(this.#current, start, position, assertionsAt(alphabet, context, letter));
      }
      const width = codePoint !== undefined && codePoint > 0xffff ? 2 : 1;
      context = codePoint === undefined ? context : contextAfter(alphabet, letter);
      steps.spend(this.#current.length + 1);
      match = this.#advance(subject, position + width, letter, context) ?? match;
      if (codePoint === undefined) return match;
      position += width;
    }
  }

  /** Moves every thread over a letter; returns the slots of a thread that has matched, and drops those after it. */
  #advance(subject: string, after: number, letter: number, context: number): Int32Array | undefined {
    const { opcodes, next, arguments: args, alphabet } = this.#program;
    const current = this.#current;
    const following = this.#following;
    following.length = 0;
    let match: Int32Array | undefined;
    let holds = -1;
    for (let index = 0; index < current.length; index++) {
      const pc = current.instructions[index] as number; // index is below the length
      const slotStart = index * this.#slotCount;
      if (opcodes[pc] === Opcode.match) {
        match = current.slots.slice(slotStart, slotStart + this.#slotCount);
        break;
      }
      if (opcodes[pc] !== Opcode.consume || alphabet.members[args[pc] as number]?.[letter] !== 1) continue;
      if (holds < 0) holds = assertionsAt(alphabet, context, this.#letterAt(subject, after));
      this.#slots.set(current.slots.subarray(slotStart, slotStart + this.#slotCount));
      this.#follow(following, next[pc] as number, after, holds);
    }
    this.#current = following;
    this.#following = current;
    return match;
  }

  #letterAt(subject: string, position: number): number {
    const codePoint = subject.codePointAt(position);
    return codePoint === undefined ? this.#program.alphabet.size : this.#program.alphabet.letterOf(codePoint);
  }

  /** Adds an instruction and all that it leads to without consuming, in order of preference, with the slots of the moment. */
  #follow(list: ThreadList, start: number, position: number, holds: number): void {
    const { opcodes, next, arguments: args } = this.#program;
    const slots = this.#slots;
    const stack = this.#stack;
    stack.push(start);
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (pc < 0) {
        slots[~pc] = stack.pop() as number; // pushed together with the mark below
        continue;
      }
      if (list.has(pc)) continue;
      const index = list.add(pc);
      const argument = args[pc] as number; // the arrays of a program are of one length
      const following = next[pc] as number;
      switch (opcodes[pc]) {
        case Opcode.fork:
          stack.push(argument, following);
          break;
        case Opcode.assert:
          if ((argument & ~holds) === 0) stack.push(following);
          break;
        case Opcode.capture:
          if (argument < this.#slotCount) {
            stack.push(slots[argument] as number, ~argument);
            slots[argument] = position;
          }
          stack.push(following);
          break;
        case Opcode.consume:
        case Opcode.match:
          list.slots.set(slots, index * this.#slotCount);
          break;
      }
    }
  }
}
