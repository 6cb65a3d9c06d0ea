/** Terms to expressions, patterns and the steps before them. */
import type { Local, ResolvedComprehension, ResolvedTerm } from "../analysis/resolved.ts";
import { type Bindings, notReady, type Place } from "./bindings.ts";
import { constantArray, constantObject, constantSet } from "./constant-collections.ts";
import type { DocumentReferences } from "./document-references.ts";
import { type Equation, splitEquation } from "./equations.ts";
import type { ComprehensionExpression, Expression, Pattern, Step } from "./plan.ts";

/** Plans a comprehension, whose body is not a matter of terms. */
export type PlanComprehension = (term: ResolvedComprehension, place: Place) => ComprehensionExpression;

/** Plans the terms of one rule. */
export class TermPlanner {
  /** References that were planned ahead of the term that they are in. */
  readonly hoisted = new Map<ResolvedTerm, Expression>();
  readonly #bindings: Bindings;
  readonly #documents: DocumentReferences;
  readonly #comprehension: PlanComprehension;

  constructor(bindings: Bindings, documents: DocumentReferences, comprehension: PlanComprehension) {
    this.#bindings = bindings;
    this.#documents = documents;
    this.#comprehension = comprehension;
  }

  /** Steps for equations, in whichever order they can be solved. */
  solve(equations: Equation[], place: Place): void {
    while (equations.length > 0) {
      let progress = false;
      for (let index = 0; index < equations.length; ) {
        const equation = equations[index];
        const result = equation === undefined ? undefined : this.#attemptEquation(equation, place);
        if (result === undefined) {
          index += 1;
        } else {
          equations.splice(index, 1, ...result);
          progress = true;
        }
      }
      if (!progress) {
        throw notReady;
      }
    }
  }

  /** Solves one equation, or splits it into several. Undefined when it has to wait. */
  #attemptEquation([left, right]: Equation, place: Place): Equation[] | undefined {
    const parts = splitEquation(left, right);
    if (parts !== undefined) {
      return parts;
    }
    for (const [known, pattern] of left.kind === "slot"
      ? [[left, right] as const]
      : ([
          [right, left],
          [left, right],
        ] as const)) {
      const deferred: Equation[] = [];
      const steps: Step[] = [];
      const trial: Place = { ...place, steps };
      // The pattern is a term: a slot is only ever on the left, and is then the known side.
      const solved = this.#bindings.attempt(() => {
        const expression = known.kind === "slot" ? known : this.value(known, trial);
        this.#match(expression, pattern as ResolvedTerm, trial, deferred);
        return true;
      });
      if (solved) {
        place.steps.push(...steps);
        return deferred;
      }
    }
    return undefined;
  }

  #match(expression: Expression, term: ResolvedTerm, place: Place, deferred: Equation[]): void {
    const pattern = this.pattern(term, place, deferred);
    place.steps.push({ kind: "match", expression, pattern });
    this.#bindings.settle();
  }

  /** The term as a pattern. Parts that can't be evaluated before the match become equations to solve after it. */
  pattern(term: ResolvedTerm, place: Place, deferred: Equation[]): Pattern {
    switch (term.kind) {
      case "local":
        return this.#localPattern(term.local, place);
      case "array":
        return { kind: "array", items: term.items.map((item) => this.pattern(item, place, deferred)) };
      case "object":
        return {
          kind: "object",
          members: term.members.map(([key, value]) => [this.value(key, place), this.pattern(value, place, deferred)]),
        };
      default: {
        const tentative = [...this.#bindings.tentative];
        const expression = this.#bindings.attempt(() => this.value(term, place));
        if (expression !== undefined) {
          return { kind: "equal", expression };
        }
        for (const slot of tentative) {
          this.#bindings.tentative.add(slot);
        }
        if (tentative.length === 0) {
          throw notReady;
        }
        const slot = this.#bindings.newSlot();
        deferred.push([{ kind: "slot", slot, start: term.start, end: term.end }, term]);
        return { kind: "bind", slot };
      }
    }
  }

  #localPattern(local: Local, place: Place): Pattern {
    if (this.#bindings.has(local.slot) || this.#bindings.tentative.has(local.slot)) {
      return { kind: "equal", expression: { kind: "slot", slot: local.slot } };
    }
    if (local.depth < place.bindable) {
      throw this.#bindings.miss(local);
    }
    if (local.name === "_") {
      return { kind: "any" };
    }
    this.#bindings.tentative.add(local.slot);
    return { kind: "bind", slot: local.slot };
  }

  /** The term as an expression; iteration that it contains becomes steps before it. Throws notReady. */
  value(term: ResolvedTerm, place: Place): Expression {
    const hoisted = this.hoisted.get(term);
    if (hoisted !== undefined) {
      return hoisted;
    }
    switch (term.kind) {
      case "constant":
        return { kind: "constant", value: term.value };
      case "local":
        if (!this.#bindings.has(term.local.slot)) {
          throw this.#bindings.miss(term.local);
        }
        return { kind: "slot", slot: term.local.slot };
      case "input":
        return this.#documents.input();
      case "data":
        return this.#documents.whole();
      case "reference":
        return this.#reference(term.head, term.path, place);
      case "array":
        return constantArray(term.items.map((item) => this.value(item, place)));
      case "set":
        return constantSet(term.items.map((item) => this.value(item, place)));
      case "object":
        return constantObject(
          term.members.map(([key, value]) => [this.value(key, place), this.value(value, place)]),
          term.start,
        );
      case "call":
        return this.#call(term, place);
      case "comprehension":
        return this.#comprehension(term, place);
      case "template":
        return {
          kind: "template",
          parts: term.parts.map((part) => (typeof part === "string" ? part : this.#comprehension(part, place))),
          start: term.start,
        };
    }
  }

  #call(term: ResolvedTerm & { readonly kind: "call" }, place: Place): Expression {
    const { callee, start } = term;
    const operands = term.operands.map((operand) => this.value(operand, place));
    this.#documents.dependOnCallee(callee);
    if (callee.kind === "function" || callee.builtin.enumerate === undefined) {
      return { kind: "call", callee, operands, start };
    }
    const slot = this.#bindings.newSlot();
    place.steps.push({ kind: "enumerate", builtin: callee.builtin, operands, slot, start });
    return { kind: "slot", slot };
  }

  /** A reference: constant parts through packages and rules are resolved now, unbound variables iterate. */
  #reference(head: ResolvedTerm, path: readonly ResolvedTerm[], place: Place): Expression {
    let rest = path;
    let base: Expression;
    if (head.kind === "data") {
      const found = this.#documents.at(path);
      base = found.base;
      rest = path.slice(found.used);
    } else {
      base = this.value(head, place);
    }
    let keys: Expression[] = [];
    for (const part of rest) {
      const key = this.#keyPattern(part, place);
      if (key.kind === "equal") {
        keys.push(key.expression);
        continue;
      }
      const slot = this.#bindings.newSlot();
      if (base.kind === "document") {
        place.steps.push({ kind: "names", document: base, keys, slot });
        place.steps.push({ kind: "match", expression: { kind: "slot", slot }, pattern: key });
        this.#bindings.settle();
        keys = [...keys, { kind: "slot", slot }];
        continue;
      }
      place.steps.push({ kind: "iterate", base: lookup(base, keys), key, value: { kind: "bind", slot } });
      this.#bindings.settle();
      base = { kind: "slot", slot };
      keys = [];
    }
    return lookup(base, keys);
  }

  #keyPattern(part: ResolvedTerm, place: Place): Pattern {
    const outer = [...this.#bindings.tentative];
    this.#bindings.tentative.clear();
    const known = this.#bindings.attempt(() => this.value(part, place));
    if (known !== undefined) {
      for (const slot of outer) {
        this.#bindings.tentative.add(slot);
      }
      return { kind: "equal", expression: known };
    }
    if (outer.length > 0) {
      throw notReady;
    }
    const deferred: Equation[] = [];
    const pattern = this.pattern(part, place, deferred);
    if (deferred.length > 0) {
      throw notReady;
    }
    return pattern;
  }
}

function lookup(base: Expression, keys: readonly Expression[]): Expression {
  return keys.length === 0 ? base : { kind: "lookup", base, keys };
}
