import { maxKernelCells, maxTransitionCells } from "./limits.ts";
import { assertionsAt, Context, contextAfter, contextAt } from "./position.ts";
import { Opcode, type Program } from "./program.ts";
import type { StepCounter } from "./step-counter.ts";
import { Assertion } from "./syntax-tree.ts";

/** Entries of the transition table that are not the row of a state. */
const unknown = -1;
const dead = -2;
const matched = -3;

/** Steps that making a state costs, beside one for each instruction followed. */
const stateCost = 16;

/** A set of instructions to be followed, and what is known of the code point before. */
interface State {
  /** Targets of the instructions that consumed the letter before, sorted. Followed when the next letter is known. */
  readonly kernel: Uint16Array;
  readonly context: number;
}

/**
 * Says whether a program matches anywhere in a subject, in one pass over it.
 *
 * A deterministic automaton whose states are made when they are first reached. Whether a state has matched is decided
 * together with the letter that follows, since `$` and `\b` look at it. The states are kept between calls, up to a bound;
 * when it is reached all are dropped, so that a hostile subject costs time (linear still) but no memory.
 */
export class LazyDfa {
  readonly #program: Program;
  readonly #anchored: boolean;
  readonly #stride: number;
  readonly #contextMask: number;
  readonly #visited: Uint32Array;
  /** The targets gathered by #follow: which ones are in, and all of them. */
  readonly #targeted: Uint32Array;
  readonly #targets: Uint16Array;
  readonly #stack: number[] = [];
  #generation = 0;
  #states: State[] = [];
  #rows = new Map<string, number>();
  #startRows = new Map<number, number>();
  #table: Int32Array;
  #kernelCells = 0;

  /** `anchored`: the program can match at the beginning of the text only. */
  constructor(program: Program, anchored: boolean) {
    this.#program = program;
    this.#anchored = anchored;
    this.#stride = program.alphabet.size + 1;
    this.#contextMask = contextMaskFor(program.assertions);
    this.#visited = new Uint32Array(program.opcodes.length);
    this.#targeted = new Uint32Array(program.opcodes.length);
    this.#targets = new Uint16Array(program.opcodes.length);
    this.#table = new Int32Array(this.#stride * 8).fill(unknown);
  }

  /** Whether there is a match that starts at `from` or later. */
  test(subject: string, from: number, steps: StepCounter): boolean {
    const { alphabet } = this.#program;
    const { ascii } = alphabet;
    let row = this.#startRow(contextAt(alphabet, subject, from));
    let table = this.#table;
    steps.spend((subject.length - from) >>> 4);
    for (let position = from; position < subject.length; position++) {
      const unit = subject.charCodeAt(position);
      let letter: number;
      if (unit < 128) {
        letter = ascii[unit] as number; // 128 entries
      } else {
        const codePoint = subject.codePointAt(position) as number; // position is inside the subject
        letter = alphabet.letterOf(codePoint);
        if (codePoint > 0xffff) position++;
      }
      let target = table[row + letter] as number; // every row has an entry for each letter
      if (target < 0) {
        if (target === unknown) {
          target = this.#step(row, letter, steps);
          table = this.#table;
        }
        if (target < 0) return target === matched;
      }
      row = target;
    }
    const end = table[row + alphabet.size];
    return (end === unknown ? this.#step(row, alphabet.size, steps) : end) === matched;
  }

  #startRow(context: number): number {
    const masked = context & this.#contextMask;
    const known = this.#startRows.get(masked);
    if (known !== undefined) return known;
    const row = this.#rowOf(Uint16Array.of(this.#program.start), masked);
    this.#startRows.set(masked, row);
    return row;
  }

  /** Computes one entry of the table: where a letter leads from a state. */
  #step(row: number, letter: number, steps: StepCounter): number {
    const state = this.#states[row / this.#stride] as State; // rows are made by #rowOf only
    const target = this.#compute(state, letter, steps);
    // A flush in #compute has dropped the row that the entry would belong to.
    if (this.#states[row / this.#stride] === state) this.#table[row + letter] = target;
    return target;
  }

  #compute(state: State, letter: number, steps: StepCounter): number {
    const { alphabet } = this.#program;
    const kernel = this.#follow(state, letter, steps);
    if (kernel === undefined) return matched;
    if (letter === alphabet.size || kernel.length === 0) return dead;
    return this.#rowOf(kernel, contextAfter(alphabet, letter) & this.#contextMask);
  }

  /** The kernel of the state after `letter`; undefined if the program matches before it. */
  #follow(state: State, letter: number, steps: StepCounter): Uint16Array | undefined {
    const { opcodes, next, arguments: args, alphabet, start } = this.#program;
    const holds = assertionsAt(alphabet, state.context, letter);
    const generation = this.#nextGeneration();
    const visited = this.#visited;
    const stack = this.#stack;
    const targeted = this.#targeted;
    let count = 0;
    for (const instruction of state.kernel) stack.push(instruction);
    let work = stack.length;
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (visited[pc] === generation) continue;
      visited[pc] = generation;
      work++;
      const following = next[pc] as number; // the arrays of a program are of one length
      const argument = args[pc] as number;
      switch (opcodes[pc]) {
        case Opcode.match:
          stack.length = 0;
          return undefined;
        case Opcode.consume:
          if (alphabet.members[argument]?.[letter] === 1 && targeted[following] !== generation) {
            targeted[following] = generation;
            this.#targets[count++] = following;
          }
          break;
        case Opcode.fork:
          stack.push(argument, following);
          break;
        case Opcode.assert:
          if ((argument & ~holds) === 0) stack.push(following);
          break;
        case Opcode.capture:
          stack.push(following);
          break;
      }
    }
    if (!this.#anchored && targeted[start] !== generation) this.#targets[count++] = start;
    steps.spend(work + stateCost);
    return this.#targets.slice(0, count).sort();
  }

  #rowOf(kernel: Uint16Array, context: number): number {
    const key = String.fromCharCode(context, ...kernel);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const isFull = (this.#states.length + 1) * this.#stride > Math.max(maxTransitionCells, 4 * this.#stride);
    if (isFull || this.#kernelCells + kernel.length > maxKernelCells) this.#flush();
    const row = this.#states.push({ kernel, context }) * this.#stride - this.#stride;
    this.#kernelCells += kernel.length;
    this.#rows.set(key, row);
    if (row + this.#stride > this.#table.length) this.#growTable();
    return row;
  }

  #growTable(): void {
    const grown = new Int32Array(this.#table.length * 2).fill(unknown);
    grown.set(this.#table);
    this.#table = grown;
  }

  #flush(): void {
    this.#states = [];
    this.#rows = new Map();
    this.#startRows = new Map();
    this.#kernelCells = 0;
    this.#table.fill(unknown);
  }

  #nextGeneration(): number {
    if (this.#generation === 0xffffffff) {
      this.#visited.fill(0);
      this.#targeted.fill(0);
      this.#generation = 0;
    }
    return ++this.#generation;
  }
}

/** The parts of a context that can matter to a program; states that differ elsewhere need not be told apart. */
function contextMaskFor(assertions: number): number {
  const wordBits = (assertions & (Assertion.wordBoundary | Assertion.noWordBoundary)) !== 0 ? Context.afterWord : 0;
  return (assertions & (Assertion.beginText | Assertion.beginLine)) | wordBits;
}
