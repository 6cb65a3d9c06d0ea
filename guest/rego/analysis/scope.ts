/** Local variables while a rule is being resolved. */
import { Fault } from "../syntax/source.ts";
import type { VariableTerm } from "../syntax/tree.ts";
import type { Local } from "./resolved.ts";

interface Entry {
  readonly local: Local;
  used: boolean;
  readonly mustBeUsed: boolean;
}

/** Counts the locals of one rule, which share one frame. */
export class SlotCounter {
  #next = 0;

  /** How many slots have been given out. */
  get count(): number {
    return this.#next;
  }

  take(): number {
    this.#next += 1;
    return this.#next - 1;
  }
}

/** The locals of one body, inside those of the bodies around it. */
export class Scope {
  readonly parent: Scope | undefined;
  /** Closures around this scope. */
  readonly depth: number;
  readonly #slots: SlotCounter;
  readonly #entries = new Map<string, Entry>();
  /** Names that a later literal of this body declares. */
  #pending: ReadonlySet<string> | undefined;
  /** Pending names that were used before their declaration. */
  #referenced: Set<string> | undefined;

  constructor(parent: Scope | undefined, depth: number, slots: SlotCounter) {
    this.parent = parent;
    this.depth = depth;
    this.#slots = slots;
  }

  /** A scope inside this one; `isClosure` for the body of a comprehension, `every` or `not`. */
  inner(isClosure: boolean): Scope {
    return new Scope(this, this.depth + (isClosure ? 1 : 0), this.#slots);
  }

  /** Announces the names that literals of this body will declare. */
  expect(names: ReadonlySet<string>): void {
    this.#pending = names;
  }

  /** Whether a literal of this body declares the name, now or later. */
  declares(name: string): boolean {
    return this.#pending?.has(name) === true;
  }

  /** The local of this name here or in a scope around, or undefined; marks it as used. */
  find(name: string): Local | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const entry = scope.#entries.get(name);
      if (entry !== undefined) {
        entry.used = true;
        return entry.local;
      }
    }
    return undefined;
  }

  /** Notes that this body has used a name as something from outside: it can't declare a variable of that name any more. */
  noteOutside(name: string): void {
    if (this.declares(name)) {
      this.#referenced ??= new Set();
      this.#referenced.add(name);
    }
  }

  /** Adds a local that has just been named for the first time, or a parameter. */
  add(variable: VariableTerm, mustBeUsed = false): Local {
    const { name, start, end } = variable;
    const local = { name, slot: this.#slots.take(), depth: this.depth, start, end };
    if (name !== "_") {
      this.#entries.set(name, { local, used: false, mustBeUsed });
    }
    return local;
  }

  /** Adds a local that `:=`, `some` or `every` declares. Throws Fault when the body has used or declared it before. */
  declare(variable: VariableTerm, mustBeUsed = false): Local {
    const { name, start } = variable;
    const before = this.#entries.get(name);
    if (before !== undefined || this.#referenced?.has(name) === true) {
      const what = before === undefined ? "used" : "declared or assigned";
      throw new Fault("rego_compile_error", `variable ${name} was already ${what} in this body`, start);
    }
    return this.add(variable, mustBeUsed);
  }

  /** Declared variables that nothing used. */
  unused(): readonly Local[] {
    const unused: Local[] = [];
    for (const { local, mustBeUsed, used } of this.#entries.values()) {
      if (mustBeUsed && !used) {
        unused.push(local);
      }
    }
    return unused;
  }
}
