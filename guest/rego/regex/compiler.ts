import type { Ranges } from "./char-class.ts";
import { RegexSyntaxError } from "./errors.ts";
import { maxAlphabetWork, maxProgramCost, maxThreadSlots } from "./limits.ts";
import { Opcode, Program } from "./program.ts";
import type { ParsedPattern, RegexNode } from "./syntax-tree.ts";

/**
 * Compiles a parsed pattern to a program (Thompson's construction; counted repetitions are written out).
 * Throws RegexSyntaxError "expression too large" when the program would cost more than `maxProgramCost`.
 */
export function compileProgram(pattern: ParsedPattern, text: string): Program {
  return new Compiler(text).compile(pattern);
}

/** A class of hundreds of ranges is one row of a table all the same. */
const maxCountedRanges = 4;

/** Instructions are written back to front: each is emitted after the one that it continues at. */
class Compiler {
  readonly #text: string;
  readonly #opcodes: number[] = [];
  readonly #next: number[] = [];
  readonly #arguments: number[] = [];
  readonly #classes: Ranges[] = [];
  readonly #classIndexes = new Map<string, number>();
  readonly #classIndexOfRanges = new Map<Ranges, number>();
  readonly #classIndexOfLiteral = new Map<number, number>();
  readonly #nullable = new Map<RegexNode, boolean>();
  #assertions = 0;
  #cost = 0;

  constructor(text: string) {
    this.#text = text;
  }

  compile(pattern: ParsedPattern): Program {
    const match = this.#emit(Opcode.match, 0, 0);
    const start = this.#capture(0, pattern.root, match);
    this.#checkSize(2 * pattern.groupNames.length);
    return new Program({
      opcodes: Uint8Array.from(this.#opcodes),
      next: Int32Array.from(this.#next),
      arguments: Int32Array.from(this.#arguments),
      start,
      assertions: this.#assertions,
      slotCount: 2 * pattern.groupNames.length,
      classes: this.#classes,
    });
  }

  /** Refuses what later steps could not bear: see the limits. */
  #checkSize(slotCount: number): void {
    const bounds = this.#classes.reduce((total, ranges) => total + ranges.length, 0);
    const isTooLarge =
      bounds * this.#classes.length > maxAlphabetWork || this.#opcodes.length * slotCount > maxThreadSlots;
    if (isTooLarge) throw new RegexSyntaxError("expression too large", this.#text);
  }

  /** Emits the code of a node that continues at `next`; the answer is where it starts. */
  #node(node: RegexNode, next: number): number {
    switch (node.kind) {
      case "empty":
        return next;
      case "literal":
        return this.#literal(node.codePoint, next);
      case "text":
        return codePointsOf(node.text).reduceRight((after, codePoint) => this.#literal(codePoint, after), next);
      case "class":
        this.#charge(Math.min(node.ranges.length / 2, maxCountedRanges));
        return this.#emit(Opcode.consume, next, this.#classIndex(node.ranges));
      case "assertion":
        this.#assertions |= node.assertion;
        return this.#emit(Opcode.assert, next, node.assertion);
      case "concat":
        return node.parts.reduceRight((after, part) => this.#node(part, after), next);
      case "alternate":
        return this.#alternate(node.branches, next);
      case "capture":
        return this.#capture(node.index, node.body, next);
      case "repeat":
        return this.#repeat(node.body, node.min, node.max, node.greedy, next);
    }
  }

  #capture(index: number, body: RegexNode, next: number): number {
    const close = this.#emit(Opcode.capture, next, 2 * index + 1);
    return this.#emit(Opcode.capture, this.#node(body, close), 2 * index);
  }

  #alternate(branches: readonly RegexNode[], next: number): number {
    const starts = branches.map((branch) => this.#node(branch, next));
    return starts.reduceRight((lower, start) => this.#emit(Opcode.fork, start, lower));
  }

  #repeat(body: RegexNode, min: number, max: number, greedy: boolean, next: number): number {
    let after = next;
    if (max === Number.POSITIVE_INFINITY) {
      after = min === 0 ? this.#star(body, greedy, next) : this.#plus(body, greedy, next);
      min = Math.max(min - 1, 0);
    } else {
      for (let copy = min; copy < max; copy++) after = this.#fork(greedy, this.#node(body, after), next);
    }
    for (let copy = 0; copy < min; copy++) after = this.#node(body, after);
    return after;
  }

  #star(body: RegexNode, greedy: boolean, next: number): number {
    // A body that may match nothing must run once before the loop gives up, or the order of preference is wrong.
    if (this.#isNullable(body)) return this.#fork(greedy, this.#plus(body, greedy, next), next);
    const loop = this.#emit(Opcode.fork, next, next);
    this.#patchFork(loop, greedy, this.#node(body, loop), next);
    return loop;
  }

  #plus(body: RegexNode, greedy: boolean, next: number): number {
    const loop = this.#emit(Opcode.fork, next, next);
    const start = this.#node(body, loop);
    this.#patchFork(loop, greedy, start, next);
    return start;
  }

  #fork(greedy: boolean, body: number, skip: number): number {
    return greedy ? this.#emit(Opcode.fork, body, skip) : this.#emit(Opcode.fork, skip, body);
  }

  #patchFork(instruction: number, greedy: boolean, body: number, skip: number): void {
    this.#next[instruction] = greedy ? body : skip;
    this.#arguments[instruction] = greedy ? skip : body;
  }

  #literal(codePoint: number, next: number): number {
    this.#charge(1);
    return this.#emit(Opcode.consume, next, this.#literalIndex(codePoint));
  }

  #literalIndex(codePoint: number): number {
    const known = this.#classIndexOfLiteral.get(codePoint);
    if (known !== undefined) return known;
    const index = this.#classes.push([codePoint, codePoint]) - 1;
    this.#classIndexOfLiteral.set(codePoint, index);
    return index;
  }

  #classIndex(ranges: Ranges): number {
    const known = this.#classIndexOfRanges.get(ranges);
    if (known !== undefined) return known;
    const key = ranges.join();
    const index = this.#classIndexes.get(key) ?? this.#classes.push(ranges) - 1;
    this.#classIndexes.set(key, index);
    this.#classIndexOfRanges.set(ranges, index);
    return index;
  }

  #emit(opcode: number, next: number, argument: number): number {
    this.#charge(1);
    this.#next.push(next);
    this.#arguments.push(argument);
    return this.#opcodes.push(opcode) - 1;
  }

  #charge(cost: number): void {
    this.#cost += cost;
    if (this.#cost > maxProgramCost) throw new RegexSyntaxError("expression too large", this.#text);
  }

  #isNullable(node: RegexNode): boolean {
    const known = this.#nullable.get(node);
    if (known !== undefined) return known;
    const nullable = this.#computeNullable(node);
    this.#nullable.set(node, nullable);
    return nullable;
  }

  #computeNullable(node: RegexNode): boolean {
    switch (node.kind) {
      case "literal":
      case "text":
      case "class":
        return false;
      case "empty":
      case "assertion":
        return true;
      case "concat":
        return node.parts.every((part) => this.#isNullable(part));
      case "alternate":
        return node.branches.some((branch) => this.#isNullable(branch));
      case "capture":
        return this.#isNullable(node.body);
      case "repeat":
        return node.min === 0 || this.#isNullable(node.body);
    }
  }
}

function codePointsOf(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}
