/** Bodies to plans: orders literals, and makes each one into steps (spec/rego-language.md 2.4). */
import type {
  ResolvedComprehension,
  ResolvedExpression,
  ResolvedLiteral,
  ResolvedReplacement,
  ResolvedTerm,
} from "../analysis/resolved.ts";
import { Fault, type Source } from "../syntax/source.ts";
import { type Bindings, closurePlace, notReady, type Place } from "./bindings.ts";
import type { DocumentReferences } from "./document-references.ts";
import type { Equation } from "./equations.ts";
import { termsBeforeNegation } from "./negation.ts";
import type {
  ComprehensionExpression,
  Dependencies,
  Pattern,
  PlannedLiteral,
  PlannedReplacement,
  Replaced,
  Step,
} from "./plan.ts";
import { TermPlanner } from "./term-planner.ts";
import { collectLocals, hasReferences, iteratingReferences, outermostReferences } from "./term-walk.ts";

/** Literals tried in one rule. Each level of nested closures that is not ready doubles the work. */
const maxAttempts = 100_000;

/** What the bodies of one rule are planned with. */
export interface BodyContext {
  readonly bindings: Bindings;
  readonly documents: DocumentReferences;
  /** Added to. */
  readonly dependencies: Dependencies;
  /** Added to. */
  readonly replaced: Replaced;
  /** The module, when the plan is for explanations. */
  readonly explained: Source | undefined;
}

/** Plans the bodies of one rule. */
export class BodyPlanner {
  readonly #terms: TermPlanner;
  readonly #bindings: Bindings;
  readonly #documents: DocumentReferences;
  readonly #dependencies: Dependencies;
  readonly #replaced: Replaced;
  readonly #explained: Source | undefined;
  #attempts = 0;

  constructor(context: BodyContext) {
    this.#bindings = context.bindings;
    this.#documents = context.documents;
    this.#dependencies = context.dependencies;
    this.#replaced = context.replaced;
    this.#explained = context.explained;
    this.#terms = new TermPlanner(context.bindings, context.documents, (term, place) =>
      this.#comprehension(term, place),
    );
  }

  /** The planner of the rule's terms. */
  get terms(): TermPlanner {
    return this.#terms;
  }

  /**
   * Plans a body under a head of these terms. A variable that only a reference in the head gives a value, as in
   * `xs[i] if i > 0`, may be used in the body too: then the head is looked at among the literals. Throws notReady.
   */
  bodyUnder(headTerms: readonly ResolvedTerm[], literals: readonly ResolvedLiteral[], depth: number): PlannedLiteral[] {
    const referring = headTerms.filter(hasReferences);
    if (referring.length === 0) {
      return this.#body(literals, depth);
    }
    const alone = this.#bindings.attempt(() => this.#body(literals, depth));
    return alone ?? this.#body([...literals, ...referring.map((term) => this.#definedLiteral(term, depth))], depth);
  }

  /** `_ = term`: holds for each value that the term has, false too. */
  #definedLiteral(term: ResolvedTerm, depth: number): ResolvedLiteral {
    const { start, end } = term;
    const local = { name: "_", slot: this.#bindings.newSlot(), depth, start, end };
    const left = { kind: "local", local, start, end } as const;
    return { expression: { kind: "unify", left, right: term }, replacements: [], start, end };
  }

  /** Takes, again and again, the first literal that can be evaluated. Throws notReady when none of the rest can. */
  #body(literals: readonly ResolvedLiteral[], depth: number): PlannedLiteral[] {
    const pending = [...literals];
    const planned: PlannedLiteral[] = [];
    for (let index = 0; index < pending.length; ) {
      const literal = pending[index];
      const result = literal === undefined ? undefined : this.#bindings.attempt(() => this.#literal(literal, depth));
      if (result === undefined) {
        index += 1;
        continue;
      }
      planned.push(result);
      pending.splice(index, 1);
      index = 0;
    }
    if (pending.length > 0) {
      throw notReady;
    }
    return planned;
  }

  #literal(literal: ResolvedLiteral, depth: number): PlannedLiteral {
    this.#attempts += 1;
    if (this.#attempts > maxAttempts) {
      throw new Fault("rego_compile_error", "the body is too complex to be ordered", literal.start);
    }
    this.#terms.hoisted.clear();
    const plain = this.#bindings.attempt(() => this.#literalSteps(literal, depth, []));
    const steps = plain ?? this.#literalSteps(literal, depth, iteratingReferences(literal));
    const { start, end } = literal;
    const explained = this.#explained;
    return explained === undefined
      ? { steps, variables: [], references: [], start, end }
      : {
          steps,
          variables: collectLocals(literal),
          references: this.#references(literal, depth, explained),
          start,
          end,
        };
  }

  /** The references of a literal that have a value once it has been planned, for explanations. */
  #references(literal: ResolvedLiteral, depth: number, explained: Source): PlannedLiteral["references"] {
    return outermostReferences(literal).flatMap((term) => {
      const steps: Step[] = [];
      const expression = this.#bindings.attempt(() => this.#terms.value(term, { depth, bindable: depth, steps }));
      const name = explained.text.slice(term.start, term.end);
      return expression === undefined || steps.length > 0 ? [] : [{ name, expression }];
    });
  }

  /** The literal's steps, those of the given references first: what they iterate over may bind variables elsewhere. */
  #literalSteps(literal: ResolvedLiteral, depth: number, references: readonly ResolvedTerm[]): readonly Step[] {
    const place: Place = { depth, bindable: depth, steps: [] };
    const replacements = literal.replacements.map((replacement) => this.#replacement(replacement, place));
    const inner: Place = replacements.length === 0 ? place : { depth, bindable: depth, steps: [] };
    for (const reference of references) {
      const steps: Step[] = [];
      const value = this.#bindings.attempt(() => this.#terms.value(reference, { depth, bindable: depth, steps }));
      if (value !== undefined) {
        inner.steps.push(...steps);
        this.#terms.hoisted.set(reference, value);
      }
    }
    this.#expression(literal.expression, inner);
    if (inner !== place) {
      place.steps.push({ kind: "with", replacements, steps: inner.steps });
    }
    return place.steps;
  }

  #expression(expression: ResolvedExpression, place: Place): void {
    switch (expression.kind) {
      case "declare":
        return;
      case "test":
        place.steps.push({ kind: "test", expression: this.#terms.value(expression.term, place) });
        return;
      case "unify":
        this.#terms.solve([[expression.left, expression.right]], place);
        return;
      case "not":
        this.#not(expression.expression, place);
        return;
      case "some":
        this.#someIn(expression, place);
        return;
      case "every":
        this.#every(expression, place);
        return;
      case "print":
        this.#dependencies.prints = true;
        place.steps.push({
          kind: "print",
          operands: expression.operands.map((operand) => this.#comprehension(operand, place)),
          start: expression.operands[0]?.start ?? 0,
        });
    }
  }

  #not(negated: ResolvedExpression, place: Place): void {
    const before = termsBeforeNegation(negated);
    const inner: Place = { depth: place.depth, bindable: place.depth + 1, steps: [] };
    try {
      for (const term of before) this.#hoist(term, place);
      this.#expression(negated, inner);
    } finally {
      for (const term of before) this.#terms.hoisted.delete(term);
    }
    place.steps.push({
      kind: "not",
      body: [{ steps: inner.steps, variables: [], references: [], start: 0, end: 0 }],
    });
  }

  /** Evaluates a term ahead of the expression that it is in. Only what calls iterate over may bind variables, as in OPA. */
  #hoist(term: ResolvedTerm, place: Place): void {
    const bindable = term.kind === "call" ? place.bindable : place.depth + 1;
    const expression = this.#terms.value(term, { ...place, bindable });
    if (expression.kind === "constant" || expression.kind === "slot") return;
    // A rule's value is kept anyway, and what is known of it can be used where it stands.
    if (expression.kind === "rule") {
      place.steps.push({ kind: "match", expression, pattern: { kind: "any" } });
      return;
    }
    const slot = this.#bindings.newSlot();
    place.steps.push({ kind: "match", expression, pattern: { kind: "bind", slot } });
    this.#terms.hoisted.set(term, { kind: "slot", slot });
  }

  #someIn(expression: ResolvedExpression & { readonly kind: "some" }, place: Place): void {
    const base = this.#terms.value(expression.domain, place);
    const deferred: Equation[] = [];
    const key: Pattern =
      expression.key === undefined ? { kind: "any" } : this.#terms.pattern(expression.key, place, deferred);
    const value = this.#terms.pattern(expression.value, place, deferred);
    place.steps.push({ kind: "iterate", base, key, value });
    this.#bindings.settle();
    this.#terms.solve(deferred, place);
  }

  #every(expression: ResolvedExpression & { readonly kind: "every" }, place: Place): void {
    const domain = this.#terms.value(expression.domain, place);
    const mark = this.#bindings.mark();
    const inner = closurePlace(place);
    const key: Pattern =
      expression.key === undefined ? { kind: "any" } : this.#terms.pattern(expression.key, inner, []);
    const value = this.#terms.pattern(expression.value, inner, []);
    this.#bindings.settle();
    const body = this.#closureBody(() => this.#body(expression.body, inner.depth));
    this.#bindings.rollback(mark);
    place.steps.push({ kind: "every", domain, key, value, body });
  }

  /** Plans the body of a closure: references hoisted outside it are not for its literals to forget. */
  #closureBody<T>(plan: () => T): T {
    const hoisted = new Map(this.#terms.hoisted);
    const tentative = new Set(this.#bindings.tentative);
    const result = plan();
    this.#terms.hoisted.clear();
    for (const [term, value] of hoisted) {
      this.#terms.hoisted.set(term, value);
    }
    for (const slot of tentative) {
      this.#bindings.tentative.add(slot);
    }
    return result;
  }

  #replacement(replacement: ResolvedReplacement, place: Place): PlannedReplacement {
    if (replacement.kind !== "function") {
      if (replacement.kind === "data") {
        this.#replaced.dataPaths.push(replacement.path);
      }
      return { ...replacement, value: this.#terms.value(replacement.value, place) };
    }
    const { replaced, value } = replacement;
    this.#replaced.functions.add(replaced.kind === "builtin" ? replaced.builtin : replaced.group);
    if (value.kind === "builtin" || value.kind === "function") {
      this.#documents.dependOnCallee(value);
      return { kind: "function", replaced, value };
    }
    return { kind: "function", replaced, value: this.#terms.value(value, place) };
  }

  #comprehension(term: ResolvedComprehension, place: Place): ComprehensionExpression {
    const head = closurePlace(place);
    const mark = this.#bindings.mark();
    const planned = this.#closureBody(() => {
      const headTerms = term.key === undefined ? [term.value] : [term.key, term.value];
      const body = this.bodyUnder(headTerms, term.body, head.depth);
      this.#terms.hoisted.clear();
      const key = term.key === undefined ? undefined : this.#terms.value(term.key, head);
      const value = this.#terms.value(term.value, head);
      if (head.steps.length > 0) {
        body.push({ steps: head.steps, variables: [], references: [], start: term.value.start, end: term.value.end });
      }
      const { shape, start } = term;
      const slot = this.#bindings.newSlot();
      return { kind: "comprehension", shape, value, body, slot, start, ...(key && { key }) } as const;
    });
    const tentative = [...this.#bindings.tentative];
    this.#bindings.rollback(mark);
    for (const slot of tentative) {
      this.#bindings.tentative.add(slot);
    }
    return planned;
  }
}
