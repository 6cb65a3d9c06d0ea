/** Resolved rules to plans: orders literals, decides what each variable gets its value from (spec/rego-language.md 2.4). */
import type {
  Callee,
  Local,
  ResolvedBranch,
  ResolvedComprehension,
  ResolvedExpression,
  ResolvedLiteral,
  ResolvedReplacement,
  ResolvedRule,
  ResolvedTerm,
} from "../analysis/resolved.ts";
import type { DocumentNode } from "../analysis/rule-groups.ts";
import { Fault, type Source, type Span } from "../syntax/source.ts";
import { RegoObject, RegoSet, type Value } from "../value.ts";
import type {
  Body,
  ComprehensionExpression,
  Dependencies,
  Expression,
  Pattern,
  PlannedBranch,
  PlannedLiteral,
  PlannedReplacement,
  PlannedRule,
  Replaced,
  Step,
} from "./plan.ts";
import { collectLocals, iteratingReferences, outermostReferences } from "./term-walk.ts";

/** Thrown where a variable without a value is needed: the literal has to wait. */
const notReady = new Error("a variable has no value yet");

/** Literals tried in one rule. Each level of nested closures that is not ready doubles the work. */
const maxAttempts = 100_000;

/** Two terms that have to be equal. */
type Equation = readonly [ResolvedTerm | TemporarySlot, ResolvedTerm];
/** A slot that already has a value. */
interface TemporarySlot extends Span {
  readonly kind: "slot";
  readonly slot: number;
}

/** Where the planner stands in a body. */
interface Place {
  /** Closures around. */
  readonly depth: number;
  /** Only variables of code this deep may be bound here: not those of code around a closure or a negation. */
  readonly bindable: number;
  readonly steps: Step[];
}

/** Plans one rule (or query). Faults are reported; an unsafe body has no plan. */
export class Planner {
  readonly #root: DocumentNode;
  readonly #report: (fault: Fault) => void;
  readonly #replaced: Replaced;
  readonly #dependencies: Dependencies;
  /** The module, when the plan is for explanations. */
  explained: Source | undefined;
  #frameSize: number;
  /** Slots that have a value here, in the order in which they got it. */
  readonly #bound = new Set<number>();
  /** Slots that the pattern being planned binds: filled, but only once the pattern has matched. */
  readonly #tentative = new Set<number>();
  /** References planned ahead of the term that they are in. */
  readonly #hoisted = new Map<ResolvedTerm, Expression>();
  #attempts = 0;
  /** Variables that were missing. */
  readonly #missing = new Map<number, Local>();

  /** `replaced` and `dependencies` are added to. */
  constructor(
    root: DocumentNode,
    localCount: number,
    replaced: Replaced,
    dependencies: Dependencies,
    report: (fault: Fault) => void,
  ) {
    this.#root = root;
    this.#dependencies = dependencies;
    this.#frameSize = localCount;
    this.#replaced = replaced;
    this.#report = report;
  }

  /** Plans a rule. Undefined when it is unsafe, which has been reported. */
  rule(rule: ResolvedRule): PlannedRule | undefined {
    return this.#guarded(() => {
      const entry: Place = { depth: 0, bindable: 0, steps: [] };
      const deferred: Equation[] = [];
      const parameters = rule.parameters.map((parameter) => this.#pattern(parameter, entry, deferred));
      this.#settleTentative();
      const branches: PlannedBranch[] = [];
      for (const branch of rule.branches) {
        const mark = this.#mark();
        branches.push(this.#branch(branch, entry.steps, deferred));
        this.#rollback(mark);
      }
      const { source, isDefault, start, end } = rule;
      return { source, isDefault, parameters, branches, frameSize: this.#frameSize, start, end };
    });
  }

  #branch(branch: ResolvedBranch, entry: readonly Step[], deferred: readonly Equation[]): PlannedBranch {
    const { value, keys, member, start, end } = branch;
    const terms = [...keys, value, ...(member === undefined ? [] : [member])];
    const { body, expressions } = this.#whole(branch.body, terms, start, deferred);
    const plannedBody =
      entry.length === 0 ? body : [{ steps: entry, variables: [], references: [], start, end: start }, ...body];
    const planned = {
      body: plannedBody,
      keys: expressions.slice(0, keys.length),
      value: expressions[keys.length] ?? { kind: "constant", value: true },
      start,
      end,
    };
    const last = expressions.at(-1);
    return member === undefined || last === undefined ? planned : { ...planned, member: last };
  }

  /** Plans a query with the terms of its answer. */
  query(
    body: readonly ResolvedLiteral[],
    columns: readonly ResolvedTerm[],
  ): { body: Body; expressions: Expression[]; frameSize: number } | undefined {
    return this.#guarded(() => ({ ...this.#whole(body, columns, 0, []), frameSize: this.#frameSize }));
  }

  #whole(
    body: readonly ResolvedLiteral[],
    headTerms: readonly ResolvedTerm[],
    headStart: number,
    deferred: readonly Equation[],
  ): { body: Body; expressions: Expression[] } {
    const literals = this.#body(body, 0);
    const head: Place = { depth: 0, bindable: 0, steps: [] };
    this.#solve([...deferred], head);
    this.#hoisted.clear();
    const expressions = headTerms.map((term) => this.#value(term, head));
    if (head.steps.length > 0) {
      literals.push({ steps: head.steps, variables: [], references: [], start: headStart, end: headStart });
    }
    return { body: literals, expressions };
  }

  /** Runs the planning of a whole rule; when it is not ready at the end, reports what was missing. */
  #guarded<T>(plan: () => T): T | undefined {
    try {
      return plan();
    } catch (cause) {
      if (cause instanceof Fault) {
        this.#report(cause);
        return undefined;
      }
      if (cause !== notReady) {
        throw cause;
      }
      for (const { name, start } of this.#missing.values()) {
        const message = `variable ${name} is unsafe: nothing gives it a value`;
        this.#report(new Fault("rego_unsafe_var_error", message, start));
      }
      return undefined;
    }
  }

  /** Takes, again and again, the first literal that can be evaluated. Throws notReady when none of the rest can. */
  #body(literals: readonly ResolvedLiteral[], depth: number): PlannedLiteral[] {
    const pending = [...literals];
    const planned: PlannedLiteral[] = [];
    for (let index = 0; index < pending.length; ) {
      const literal = pending[index];
      const result = literal === undefined ? undefined : this.#attempt(() => this.#literal(literal, depth));
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

  /** Runs a planning function; when it is not ready, forgets what it bound and returns undefined. */
  #attempt<T>(plan: () => T): T | undefined {
    const mark = this.#mark();
    try {
      return plan();
    } catch (cause) {
      if (cause !== notReady) {
        throw cause;
      }
      this.#rollback(mark);
      return undefined;
    }
  }

  #mark(): number {
    return this.#bound.size;
  }

  #rollback(mark: number): void {
    // A set enumerates in the order of insertion.
    for (const slot of [...this.#bound].slice(mark)) {
      this.#bound.delete(slot);
    }
    this.#tentative.clear();
  }

  #literal(literal: ResolvedLiteral, depth: number): PlannedLiteral {
    this.#attempts += 1;
    if (this.#attempts > maxAttempts) {
      throw new Fault("rego_compile_error", "the body is too complex to be ordered", literal.start);
    }
    this.#hoisted.clear();
    const plain = this.#attempt(() => this.#literalSteps(literal, depth, []));
    const steps = plain ?? this.#literalSteps(literal, depth, iteratingReferences(literal));
    const { start, end } = literal;
    return { steps, variables: collectLocals(literal), references: this.#references(literal, depth), start, end };
  }

  /** The references of a literal that have a value once it has been planned, for explanations. */
  #references(literal: ResolvedLiteral, depth: number): PlannedLiteral["references"] {
    const { explained } = this;
    if (explained === undefined) {
      return [];
    }
    return outermostReferences(literal).flatMap((term) => {
      const steps: Step[] = [];
      const expression = this.#attempt(() => this.#value(term, { depth, bindable: depth, steps }));
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
      const value = this.#attempt(() => this.#value(reference, { depth, bindable: depth, steps }));
      if (value !== undefined) {
        inner.steps.push(...steps);
        this.#hoisted.set(reference, value);
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
        place.steps.push({ kind: "test", expression: this.#value(expression.term, place) });
        return;
      case "unify":
        this.#solve([[expression.left, expression.right]], place);
        return;
      case "not": {
        const inner: Place = { depth: place.depth, bindable: place.depth + 1, steps: [] };
        this.#expression(expression.expression, inner);
        place.steps.push({
          kind: "not",
          body: [{ steps: inner.steps, variables: [], references: [], start: 0, end: 0 }],
        });
        return;
      }
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

  #someIn(expression: ResolvedExpression & { readonly kind: "some" }, place: Place): void {
    const base = this.#value(expression.domain, place);
    const deferred: Equation[] = [];
    const key: Pattern =
      expression.key === undefined ? { kind: "any" } : this.#pattern(expression.key, place, deferred);
    const value = this.#pattern(expression.value, place, deferred);
    place.steps.push({ kind: "iterate", base, key, value });
    this.#settleTentative();
    this.#solve(deferred, place);
  }

  #every(expression: ResolvedExpression & { readonly kind: "every" }, place: Place): void {
    const domain = this.#value(expression.domain, place);
    const mark = this.#mark();
    const inner = closurePlace(place);
    const key: Pattern = expression.key === undefined ? { kind: "any" } : this.#pattern(expression.key, inner, []);
    const value = this.#pattern(expression.value, inner, []);
    this.#settleTentative();
    const body = this.#closureBody(() => this.#body(expression.body, inner.depth));
    this.#rollback(mark);
    place.steps.push({ kind: "every", domain, key, value, body });
  }

  /** Plans the body of a closure: references hoisted outside it are not for its literals to forget. */
  #closureBody<T>(plan: () => T): T {
    const hoisted = new Map(this.#hoisted);
    const tentative = new Set(this.#tentative);
    const result = plan();
    this.#hoisted.clear();
    for (const [term, value] of hoisted) {
      this.#hoisted.set(term, value);
    }
    for (const slot of tentative) {
      this.#tentative.add(slot);
    }
    return result;
  }

  #replacement(replacement: ResolvedReplacement, place: Place): PlannedReplacement {
    if (replacement.kind !== "function") {
      if (replacement.kind === "data") {
        this.#replaced.dataPaths.push(replacement.path);
      }
      return { ...replacement, value: this.#value(replacement.value, place) };
    }
    const { replaced, value } = replacement;
    this.#replaced.functions.add(replaced.kind === "builtin" ? replaced.builtin : replaced.group);
    if (value.kind === "builtin" || value.kind === "function") {
      this.#dependOnCallee(value);
      return { kind: "function", replaced, value };
    }
    return { kind: "function", replaced, value: this.#value(value, place) };
  }

  /** Steps for equations, in whichever order they can be solved. */
  #solve(equations: Equation[], place: Place): void {
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
      const solved = this.#attempt(() => {
        const expression = known.kind === "slot" ? known : this.#value(known, trial);
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
    const pattern = this.#pattern(term, place, deferred);
    place.steps.push({ kind: "match", expression, pattern });
    this.#settleTentative();
  }

  /** Variables of the pattern just planned now have a value. */
  #settleTentative(): void {
    for (const slot of this.#tentative) {
      this.#bound.add(slot);
      this.#missing.delete(slot);
    }
    this.#tentative.clear();
  }

  /** The term as a pattern. Parts that can't be evaluated before the match become equations to solve after it. */
  #pattern(term: ResolvedTerm, place: Place, deferred: Equation[]): Pattern {
    switch (term.kind) {
      case "local":
        return this.#localPattern(term.local, place);
      case "array":
        return { kind: "array", items: term.items.map((item) => this.#pattern(item, place, deferred)) };
      case "object":
        return {
          kind: "object",
          members: term.members.map(([key, value]) => [this.#value(key, place), this.#pattern(value, place, deferred)]),
        };
      default: {
        const tentative = [...this.#tentative];
        const expression = this.#attempt(() => this.#value(term, place));
        if (expression !== undefined) {
          return { kind: "equal", expression };
        }
        for (const slot of tentative) {
          this.#tentative.add(slot);
        }
        if (tentative.length === 0) {
          throw notReady;
        }
        const slot = this.#newSlot();
        deferred.push([{ kind: "slot", slot, start: term.start, end: term.end }, term]);
        return { kind: "bind", slot };
      }
    }
  }

  #localPattern(local: Local, place: Place): Pattern {
    if (this.#bound.has(local.slot) || this.#tentative.has(local.slot)) {
      return { kind: "equal", expression: { kind: "slot", slot: local.slot } };
    }
    if (local.depth < place.bindable) {
      throw this.#miss(local);
    }
    if (local.name === "_") {
      return { kind: "any" };
    }
    this.#tentative.add(local.slot);
    return { kind: "bind", slot: local.slot };
  }

  /** The term as an expression; iteration that it contains becomes steps before it. Throws notReady. */
  #value(term: ResolvedTerm, place: Place): Expression {
    const hoisted = this.#hoisted.get(term);
    if (hoisted !== undefined) {
      return hoisted;
    }
    switch (term.kind) {
      case "constant":
        return { kind: "constant", value: term.value };
      case "local":
        if (!this.#bound.has(term.local.slot)) {
          throw this.#miss(term.local);
        }
        return { kind: "slot", slot: term.local.slot };
      case "input":
        this.#dependencies.readsInput = true;
        return { kind: "input" };
      case "data":
        return this.#document([], this.#root, []);
      case "reference":
        return this.#reference(term.head, term.path, place);
      case "array":
        return constantArray(term.items.map((item) => this.#value(item, place)));
      case "set":
        return constantSet(term.items.map((item) => this.#value(item, place)));
      case "object":
        return constantObject(
          term.members.map(([key, value]) => [this.#value(key, place), this.#value(value, place)]),
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

  #miss(local: Local): Error {
    this.#missing.set(local.slot, local);
    return notReady;
  }

  #newSlot(): number {
    this.#frameSize += 1;
    return this.#frameSize - 1;
  }

  #call(term: ResolvedTerm & { readonly kind: "call" }, place: Place): Expression {
    const { callee, start } = term;
    const operands = term.operands.map((operand) => this.#value(operand, place));
    this.#dependOnCallee(callee);
    if (callee.kind === "function" || callee.builtin.enumerate === undefined) {
      return { kind: "call", callee, operands, start };
    }
    const slot = this.#newSlot();
    place.steps.push({ kind: "enumerate", builtin: callee.builtin, operands, slot, start });
    return { kind: "slot", slot };
  }

  #dependOnCallee(callee: Callee): void {
    if (callee.kind === "builtin") {
      this.#dependencies.builtins.add(callee.builtin);
    } else {
      this.#dependencies.groups.add(callee.group);
    }
  }

  #comprehension(term: ResolvedComprehension, place: Place): ComprehensionExpression {
    const head = closurePlace(place);
    const mark = this.#mark();
    const planned = this.#closureBody(() => {
      const body = this.#body(term.body, head.depth);
      this.#hoisted.clear();
      const key = term.key === undefined ? undefined : this.#value(term.key, head);
      const value = this.#value(term.value, head);
      if (head.steps.length > 0) {
        body.push({ steps: head.steps, variables: [], references: [], start: term.value.start, end: term.value.end });
      }
      const { shape, start } = term;
      const slot = this.#newSlot();
      return { kind: "comprehension", shape, value, body, slot, start, ...(key && { key }) } as const;
    });
    const tentative = [...this.#tentative];
    this.#rollback(mark);
    for (const slot of tentative) {
      this.#tentative.add(slot);
    }
    return planned;
  }

  /** A reference: constant parts through packages and rules are resolved now, unbound variables iterate. */
  #reference(head: ResolvedTerm, path: readonly ResolvedTerm[], place: Place): Expression {
    let rest = path;
    let base: Expression;
    if (head.kind === "data") {
      const found = this.#documentAt(path);
      base = found.base;
      rest = path.slice(found.used);
    } else {
      base = this.#value(head, place);
    }
    let keys: Expression[] = [];
    for (const part of rest) {
      const key = this.#keyPattern(part, place);
      if (key.kind === "equal") {
        keys.push(key.expression);
        continue;
      }
      const slot = this.#newSlot();
      if (base.kind === "document") {
        place.steps.push({ kind: "names", document: base, keys, slot });
        place.steps.push({ kind: "match", expression: { kind: "slot", slot }, pattern: key });
        this.#settleTentative();
        keys = [...keys, { kind: "slot", slot }];
        continue;
      }
      place.steps.push({ kind: "iterate", base: lookup(base, keys), key, value: { kind: "bind", slot } });
      this.#settleTentative();
      base = { kind: "slot", slot };
      keys = [];
    }
    return lookup(base, keys);
  }

  #keyPattern(part: ResolvedTerm, place: Place): Pattern {
    const outer = [...this.#tentative];
    this.#tentative.clear();
    const known = this.#attempt(() => this.#value(part, place));
    if (known !== undefined) {
      for (const slot of outer) {
        this.#tentative.add(slot);
      }
      return { kind: "equal", expression: known };
    }
    if (outer.length > 0) {
      throw notReady;
    }
    const deferred: Equation[] = [];
    const pattern = this.#pattern(part, place, deferred);
    if (deferred.length > 0) {
      throw notReady;
    }
    return pattern;
  }

  /** Follows the constant start of a path below `data` to a rule, a package or base data. */
  #documentAt(path: readonly ResolvedTerm[]): { base: Expression; used: number } {
    let node: DocumentNode | undefined = this.#root;
    const names: string[] = [];
    for (const [used, part] of path.entries()) {
      if (node?.group !== undefined && node.group.kind !== "function") {
        this.#dependencies.groups.add(node.group);
        return { base: { kind: "rule", group: node.group }, used };
      }
      const isText = part.kind === "constant" && (typeof part.value === "string" || typeof part.value === "number");
      if (!isText) {
        return { base: this.#document(names, node, path.slice(used)), used };
      }
      // OPA turns numbers into text in paths of base data.
      names.push(String(part.value));
      node = node?.children.get(String(part.value));
    }
    if (node?.group !== undefined && node.group.kind !== "function") {
      this.#dependencies.groups.add(node.group);
      return { base: { kind: "rule", group: node.group }, used: path.length };
    }
    return { base: this.#document(names, node, []), used: path.length };
  }

  /** `rest` is what of the reference follows: rules that it can't reach are no dependencies. */
  #document(path: readonly string[], node: DocumentNode | undefined, rest: readonly ResolvedTerm[]): Expression {
    this.#dependencies.readsBaseData = true;
    if (node !== undefined) {
      this.#dependOnDocument(node, rest);
    }
    return { kind: "document", path, node };
  }

  #dependOnDocument(node: DocumentNode, rest: readonly ResolvedTerm[]): void {
    if (node.group !== undefined) {
      if (node.group.kind !== "function") {
        this.#dependencies.groups.add(node.group);
      }
      return;
    }
    const [key, ...after] = rest;
    for (const [name, child] of node.children) {
      if (key === undefined || key.kind !== "constant" || key.value === name) {
        this.#dependOnDocument(child, after);
      }
    }
  }
}

/** The place at the start of a closure. */
function closurePlace(outer: Place): Place {
  return { depth: outer.depth + 1, bindable: outer.depth + 1, steps: [] };
}

/** The equations between the parts of two arrays of one length, or of two objects with the same constant keys. */
function splitEquation(left: ResolvedTerm | TemporarySlot, right: ResolvedTerm): Equation[] | undefined {
  if (left.kind === "array" && right.kind === "array" && left.items.length === right.items.length) {
    return left.items.flatMap((item, index): Equation[] => {
      const other = right.items[index];
      return other === undefined ? [] : [[item, other]];
    });
  }
  if (left.kind !== "object" || right.kind !== "object" || left.members.length !== right.members.length) {
    return undefined;
  }
  const others = new Map<Value, ResolvedTerm>();
  for (const [key, value] of right.members) {
    if (key.kind !== "constant" || typeof key.value !== "string") {
      return undefined;
    }
    others.set(key.value, value);
  }
  const equations: Equation[] = [];
  for (const [key, value] of left.members) {
    const other = key.kind === "constant" ? others.get(key.value) : undefined;
    if (other === undefined) {
      return undefined;
    }
    equations.push([value, other]);
  }
  return equations;
}

function lookup(base: Expression, keys: readonly Expression[]): Expression {
  return keys.length === 0 ? base : { kind: "lookup", base, keys };
}

function constantArray(items: readonly Expression[]): Expression {
  const values = constants(items);
  return values === undefined ? { kind: "array", items } : { kind: "constant", value: values };
}

function constantSet(items: readonly Expression[]): Expression {
  const values = constants(items);
  return values === undefined ? { kind: "set", items } : { kind: "constant", value: RegoSet.from(values) };
}

function constantObject(members: readonly (readonly [Expression, Expression])[], start: number): Expression {
  const values = constants(members.flat());
  if (values === undefined) {
    return { kind: "object", members, start };
  }
  const object = new RegoObject();
  for (let index = 0; index < values.length; index += 2) {
    // Keys and values alternate.
    object.set(values[index] ?? null, values[index + 1] ?? null);
  }
  return { kind: "constant", value: object };
}

function constants(expressions: readonly Expression[]): Value[] | undefined {
  const values: Value[] = [];
  for (const expression of expressions) {
    if (expression.kind !== "constant") {
      return undefined;
    }
    values.push(expression.value);
  }
  return values;
}
