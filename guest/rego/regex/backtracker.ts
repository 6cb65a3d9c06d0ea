import { rangesContain } from "./char-class.ts";
import { maxBacktrackCells } from "./limits.ts";
import { widthAt } from "./position.ts";
import { Opcode, type Program } from "./program.ts";
import type { StepCounter } from "./step-counter.ts";
import { Assertion } from "./syntax-tree.ts";

/**
 * Says whether a program matches anywhere in a short subject, by trying one way after the other and never the same
 * instruction at the same position twice: linear in program times subject. It needs no preparation, so it answers the first
 * questions to a pattern sooner than an automaton, which pays once there are many.
 */
export class Backtracker {
  readonly #program: Program;
  readonly #anchored: boolean;
  /** Instructions still to be tried, each followed by its position. */
  readonly #pending: number[] = [];

  /** `anchored`: the program can match at the beginning of the text only. */
  constructor(program: Program, anchored: boolean) {
    this.#program = program;
    this.#anchored = anchored;
  }

  /** Whether the subject is short enough for this program. */
  fits(subject: string): boolean {
    return (subject.length + 1) * this.#program.opcodes.length <= maxBacktrackCells;
  }

  /** Whether there is a match that starts at `from` or later, in a subject that fits. */
  test(subject: string, from: number, steps: StepCounter): boolean {
    const cells = (subject.length + 1) * this.#program.opcodes.length;
    const visited = new Uint8Array((cells >>> 3) + 1);
    const last = this.#anchored ? from : subject.length;
    for (let start = from; start <= last; start += widthAt(subject, start)) {
      if (this.#matchesAt(subject, start, visited, steps)) return true;
    }
    return false;
  }

  #matchesAt(subject: string, start: number, visited: Uint8Array, steps: StepCounter): boolean {
    const { opcodes, next, arguments: args, classes } = this.#program;
    const width = subject.length + 1;
    const pending = this.#pending;
    pending.length = 0;
    pending.push(this.#program.start, start);
    let work = 0;
    while (pending.length > 0) {
      let position = pending.pop() as number; // pushed in pairs
      let pc = pending.pop() as number;
      for (;;) {
        const cell = pc * width + position;
        const bit = 1 << (cell & 7);
        const byte = visited[cell >>> 3] as number; // a bit for each instruction and position
        if ((byte & bit) !== 0) break;
        visited[cell >>> 3] = byte | bit;
        work++;
        const following = next[pc] as number; // the arrays of a program are of one length
        const argument = args[pc] as number;
        const opcode = opcodes[pc];
        if (opcode === Opcode.consume) {
          const codePoint = subject.codePointAt(position);
          if (codePoint === undefined || !rangesContain(classes[argument] ?? [], codePoint)) break;
          position += codePoint > 0xffff ? 2 : 1;
        } else if (opcode === Opcode.fork) {
          pending.push(argument, position);
        } else if (opcode === Opcode.assert) {
          if ((argument & ~assertionsAt(subject, position)) !== 0) break;
        } else if (opcode === Opcode.match) {
          steps.spend(work);
          return true;
        }
        pc = following;
      }
    }
    steps.spend(work);
    return false;
  }
}

/** The assertions that hold at a position of the subject. */
function assertionsAt(subject: string, position: number): number {
  const before = subject.charCodeAt(position - 1);
  const after = subject.charCodeAt(position);
  let holds = 0;
  if (position === 0) holds |= Assertion.beginText | Assertion.beginLine;
  else if (before === newline) holds |= Assertion.beginLine;
  if (position === subject.length) holds |= Assertion.endText | Assertion.endLine;
  else if (after === newline) holds |= Assertion.endLine;
  const isBoundary = isWordUnit(before) !== isWordUnit(after);
  return holds | (isBoundary ? Assertion.wordBoundary : Assertion.noWordBoundary);
}

const newline = 0x0a;

/** Of RE2's word characters, all ASCII; NaN, the unit outside the subject, is none. */
function isWordUnit(unit: number): boolean {
  return (
    (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f
  );
}
