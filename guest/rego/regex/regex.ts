import { indexOfText } from "../text-search.ts";
import { Backtracker } from "./backtracker.ts";
import { compileProgram } from "./compiler.ts";
import { LazyDfa } from "./lazy-dfa.ts";
import { maxBacktrackSteps } from "./limits.ts";
import { hasLiterals, type LiteralPlan, planLiterals } from "./literal-plan.ts";
import { parsePattern } from "./parser.ts";
import { isCertainlySmall } from "./pattern-size.ts";
import { PikeVm } from "./pike-vm.ts";
import { widthAt } from "./position.ts";
import type { Program } from "./program.ts";
import { expandReplacement, parseReplacement } from "./replacement.ts";
import { StepCounter } from "./step-counter.ts";
import type { ParsedPattern } from "./syntax-tree.ts";

/**
 * Compiles a pattern of RE2's dialect, as Go's regexp package reads it.
 * Throws RegexSyntaxError, whose message reads as RE2's, for a pattern that RE2 refuses or that is too large, and
 * RegexLimitError when reading it costs more than `steps` has left.
 */
export function compileRegex(pattern: string, steps?: StepCounter): CompiledRegex {
  return new CompiledRegex(pattern, steps);
}

/**
 * A compiled pattern. Every method runs in time linear in pattern times subject for each match that it looks for, and
 * throws RegexLimitError when that is more than `steps` has left. A text is a sequence of code points; offsets inside the
 * engine are UTF-16 units.
 */
export class CompiledRegex {
  readonly pattern: string;
  readonly #parsed: ParsedPattern;
  readonly #plan: LiteralPlan;
  // What follows is made when it is first needed: a policy asks some patterns once, and many never beyond their literals.
  #program: Program | undefined;
  #backtracker: Backtracker | undefined;
  #dfa: LazyDfa | undefined;
  #pikeVm: PikeVm | undefined;
  #backtrackSteps = 0;

  /** Use `compileRegex`. */
  constructor(pattern: string, steps?: StepCounter) {
    this.pattern = pattern;
    this.#parsed = parsePattern(pattern, steps);
    this.#plan = planLiterals(this.#parsed.root);
    // The compiler refuses what is too large.
    if (!isCertainlySmall(this.#parsed)) {
      this.#program = compileProgram(this.#parsed, pattern);
      steps?.spend(this.#program.opcodes.length);
    }
  }

  /** Whether the pattern matches anywhere in the subject. */
  test(subject: string, steps?: StepCounter): boolean {
    const { anchored, prefix, rest } = this.#plan;
    if (rest === "nothing") return anchored ? subject.startsWith(prefix) : indexOfText(subject, prefix) >= 0;
    if (rest === "end") return anchored ? subject === prefix : subject.endsWith(prefix);
    const from = anchored ? (subject.startsWith(prefix) ? 0 : -1) : indexOfText(subject, prefix);
    return from >= 0 && hasLiterals(this.#plan, subject, from) && this.#run(subject, from, steps ?? new StepCounter());
  }

  /** Runs the program: by backtracking until that has cost as much as an automaton does to begin with. */
  #run(subject: string, from: number, steps: StepCounter): boolean {
    if (this.#backtrackSteps < maxBacktrackSteps) {
      this.#backtracker ??= new Backtracker(this.#compiled(), this.#plan.anchored);
      if (this.#backtracker.fits(subject)) {
        const before = steps.spent;
        const found = this.#backtracker.test(subject, from, steps);
        this.#backtrackSteps += steps.spent - before;
        return found;
      }
    }
    this.#dfa ??= new LazyDfa(this.#compiled(), this.#plan.anchored);
    return this.#dfa.test(subject, from, steps);
  }

  #compiled(): Program {
    this.#program ??= compileProgram(this.#parsed, this.pattern);
    return this.#program;
  }

  /** The first match and its groups (index 0 is the whole match; a group that took no part is ""), or undefined. */
  find(subject: string, steps?: StepCounter): readonly string[] | undefined {
    return this.findAll(subject, 1, steps)[0];
  }

  /** The first `limit` matches (all if negative), each with its groups as `find` gives them. */
  findAll(subject: string, limit: number, steps?: StepCounter): readonly (readonly string[])[] {
    return this.#findSlots(subject, limit, steps).map((slots) => groupTexts(subject, slots));
  }

  /** The subject with every match replaced by the template (`$1`, `${name}`, `$$`; see parseReplacement). */
  replaceAll(subject: string, template: string, steps: StepCounter = new StepCounter()): string {
    const replacement = parseReplacement(template, this.#parsed.groupNames);
    const parts: string[] = [];
    let lastEnd = 0;
    for (const slots of this.#findSlots(subject, -1, steps)) {
      const [start = 0, end = 0] = slots;
      const expanded = expandReplacement(replacement, subject, slots);
      steps.spend(expanded.length);
      parts.push(subject.slice(lastEnd, start), expanded);
      lastEnd = end;
    }
    parts.push(subject.slice(lastEnd));
    return parts.join("");
  }

  /** The parts of the subject between the matches. An empty match splits between two code points. */
  split(subject: string, steps?: StepCounter): readonly string[] {
    if (this.pattern !== "" && subject === "") return [""];
    const parts: string[] = [];
    let lastEnd = 0;
    let end = 0;
    for (const slots of this.#findSlots(subject, -1, steps)) {
      end = slots[0] ?? 0;
      const matchEnd = slots[1] ?? 0;
      if (matchEnd !== 0) parts.push(subject.slice(lastEnd, end));
      lastEnd = matchEnd;
    }
    if (end !== subject.length) parts.push(subject.slice(lastEnd));
    return parts;
  }

  /** Successive matches that don't overlap; an empty match right after another match doesn't count. */
  #findSlots(subject: string, limit: number, steps: StepCounter = new StepCounter()): Int32Array[] {
    const matches: Int32Array[] = [];
    if (limit === 0 || !this.test(subject, steps)) return matches;
    const vm = this.#findingMachine();
    let previousEnd = -1;
    for (let position = 0; position <= subject.length; ) {
      const slots = vm.find(subject, position, steps);
      if (slots === undefined) break;
      const [start = 0, end = 0] = slots;
      const isEmpty = end === position;
      if (!(isEmpty && start === previousEnd)) {
        matches.push(slots);
        if (matches.length === limit) break;
      }
      previousEnd = end;
      position = isEmpty ? position + widthAt(subject, position) : end;
    }
    return matches;
  }

  #findingMachine(): PikeVm {
    if (this.#pikeVm === undefined) {
      const program = this.#compiled();
      this.#pikeVm = new PikeVm(program, program.slotCount, this.#plan.anchored, this.#plan.prefix);
    }
    return this.#pikeVm;
  }
}

function groupTexts(subject: string, slots: Int32Array): string[] {
  const texts: string[] = [];
  for (let slot = 0; slot + 1 < slots.length; slot += 2) {
    const start = slots[slot] ?? -1;
    texts.push(start < 0 ? "" : subject.slice(start, slots[slot + 1]));
  }
  return texts;
}
