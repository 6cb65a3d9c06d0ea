/** Names to what they mean: locals, documents, rules, functions (spec/rego-language.md 2.4). */
import { Fault } from "../syntax/source.ts";
import type {
  Branch,
  CallTerm,
  ComprehensionTerm,
  Expression,
  Literal,
  ModuleTree,
  Replacement,
  Term,
  VariableTerm,
} from "../syntax/tree.ts";
import { declaredNames, mentionedVariables, patternVariables, variablesOf } from "./mentioned-names.ts";
import { arityOf, constantPath, ModuleNames, type Names } from "./module-names.ts";
import { globalReference, reference } from "./references.ts";
import type {
  Callee,
  ResolvedBranch,
  ResolvedComprehension,
  ResolvedExpression,
  ResolvedLiteral,
  ResolvedReplacement,
  ResolvedRule,
  ResolvedTerm,
} from "./resolved.ts";
import type { GroupedRule } from "./rule-groups.ts";
import { Scope, SlotCounter } from "./scope.ts";

/** A variable of a query whose values make the answer. */
export interface QueryColumn {
  readonly name: string;
  readonly term: ResolvedTerm;
}

/** Functions of the language itself that are not called like built-ins. */
const printNames = new Set(["print", "internal.print"]);

/** Resolves the rules of one module. `report` gets the faults; a rule with a fault has no result. */
export class Resolver {
  readonly #names: ModuleNames;
  readonly #module: ModuleTree;
  readonly #report: (fault: Fault) => void;
  #slots = new SlotCounter();
  #faults = 0;

  constructor(names: Names, module: ModuleTree, report: (fault: Fault) => void) {
    this.#names = new ModuleNames(names, module, report);
    this.#module = module;
    this.#report = report;
  }

  /** Resolves one rule. Undefined when it has a fault, which has been reported. */
  rule({ tree, keys, module }: GroupedRule): ResolvedRule | undefined {
    this.#slots = new SlotCounter();
    const faultsBefore = this.#faults;
    const resolved = this.#guarded(() => {
      const outer = new Scope(undefined, 0, this.#slots);
      const parameters = (tree.parameters ?? []).map((parameter) => this.#parameter(parameter, outer));
      const branches = tree.branches.map((branch) => this.#branch(branch, keys, tree.member, outer.inner(false)));
      const { isDefault, start, end } = tree;
      const localCount = this.#slots.count;
      return { source: module.source, isDefault, parameters, branches, localCount, start, end };
    });
    return this.#faults > faultsBefore ? undefined : resolved;
  }

  /** Resolves a query. Its named variables that are no documents are the columns of the answer. */
  query(body: readonly Literal[]): { body: ResolvedLiteral[]; columns: QueryColumn[]; slots: SlotCounter } | undefined {
    this.#slots = new SlotCounter();
    return this.#guarded(() => {
      const scope = new Scope(undefined, 0, this.#slots);
      const resolved = this.#body(body, [], scope);
      const names = new Map(mentionedVariables(body, () => false).map((variable) => [variable.name, variable]));
      const columns: QueryColumn[] = [];
      for (const { name, start, end } of names.values()) {
        const local = scope.find(name);
        if (local !== undefined) {
          columns.push({ name, term: { kind: "local", local, start, end } });
        }
      }
      return { body: resolved, columns, slots: this.#slots };
    });
  }

  #guarded<T>(resolve: () => T): T | undefined {
    try {
      return resolve();
    } catch (fault) {
      if (!(fault instanceof Fault)) {
        throw fault;
      }
      this.#fault(fault);
      return undefined;
    }
  }

  #fault(fault: Fault): void {
    this.#faults += 1;
    this.#report(fault);
  }

  #parameter(parameter: Term, scope: Scope): ResolvedTerm {
    for (const variable of patternVariables(parameter)) {
      this.#checkShadowing(variable);
      if (variable.name === "_" || scope.find(variable.name) === undefined) {
        scope.add(variable);
      }
    }
    return this.#term(parameter, scope);
  }

  #branch(branch: Branch, keys: readonly Term[], member: Term | undefined, scope: Scope): ResolvedBranch {
    const headTerms = [...keys, branch.value, ...(member === undefined ? [] : [member])];
    const resolved = {
      body: this.#body(branch.body, headTerms, scope),
      keys: keys.map((key) => this.#term(key, scope)),
      value: this.#term(branch.value, scope),
      start: branch.start,
      end: branch.end,
    };
    const whole = member === undefined ? resolved : { ...resolved, member: this.#term(member, scope) };
    this.#reportUnused(scope);
    return whole;
  }

  /** Resolves a body; `headTerms` are the terms outside it that share its scope. */
  #body(body: readonly Literal[], headTerms: readonly Term[], scope: Scope): ResolvedLiteral[] {
    const declared = declaredNames(body);
    scope.expect(declared);
    const isFunction = (value: Term): boolean => this.#names.functionNamed(value, scope) !== undefined;
    for (const variable of [...mentionedVariables(body, isFunction), ...variablesOf(headTerms)]) {
      if (
        !declared.has(variable.name) &&
        scope.find(variable.name) === undefined &&
        !this.#names.isGlobal(variable.name)
      ) {
        scope.add(variable);
      }
    }
    const resolved: ResolvedLiteral[] = [];
    for (const literal of body) {
      const one = this.#guarded(() => this.#literal(literal, scope));
      if (one !== undefined) {
        resolved.push(one);
      } else {
        this.#declareAnyway(literal, scope);
      }
    }
    return resolved;
  }

  /** After a fault: the variables that the literal declares are known all the same, so they are not reported too. */
  #declareAnyway(literal: Literal, scope: Scope): void {
    for (const name of declaredNames([literal])) {
      if (scope.find(name) === undefined) {
        scope.add({ kind: "variable", name, start: literal.start, end: literal.end });
      }
    }
  }

  #reportUnused(scope: Scope): void {
    for (const { name, start } of scope.unused()) {
      this.#fault(new Fault("rego_compile_error", `variable ${name} is declared and never used`, start));
    }
  }

  #literal(literal: Literal, scope: Scope): ResolvedLiteral {
    // Values of `with` see the variables from before the literal, except in one that declares nothing.
    const replacements = literal.replacements.map((replacement) => this.#replacement(replacement, scope));
    const expression = this.#expression(literal.expression, scope);
    return { expression, replacements, start: literal.start, end: literal.end };
  }

  #expression(expression: Expression, scope: Scope): ResolvedExpression {
    switch (expression.kind) {
      case "term":
        return this.#statement(expression.term, scope);
      case "not":
        return { kind: "not", expression: this.#expression(expression.expression, scope) };
      case "unify":
        return {
          kind: "unify",
          left: this.#term(expression.left, scope),
          right: this.#term(expression.right, scope),
        };
      case "assign":
        return this.#assignment(expression.target, expression.value, scope);
      case "declare":
        for (const variable of expression.names) {
          this.#checkShadowing(variable);
          scope.declare(variable, true);
        }
        return { kind: "declare" };
      case "some":
        return this.#someIn(expression, scope);
      case "every":
        return this.#every(expression, scope);
    }
  }

  #assignment(target: Term, value: Term, scope: Scope): ResolvedExpression {
    if (target.kind !== "variable" && target.kind !== "array" && target.kind !== "object") {
      throw new Fault("rego_compile_error", `:= needs a variable on its left side, not a ${target.kind}`, target.start);
    }
    const right = this.#term(value, scope);
    this.#declarePattern(target, scope);
    return { kind: "unify", left: this.#term(target, scope), right };
  }

  #declarePattern(pattern: Term, scope: Scope): void {
    for (const variable of patternVariables(pattern)) {
      this.#checkShadowing(variable);
      if (variable.name !== "_") {
        scope.declare(variable);
      }
    }
  }

  #someIn(expression: Expression & { readonly kind: "some" }, scope: Scope): ResolvedExpression {
    const domain = this.#term(expression.domain, scope);
    const { key, value } = expression;
    for (const pattern of key === undefined ? [value] : [key, value]) {
      this.#declarePattern(pattern, scope);
    }
    const resolved = { kind: "some", value: this.#term(value, scope), domain } as const;
    return key === undefined ? resolved : { ...resolved, key: this.#term(key, scope) };
  }

  #every(expression: Expression & { readonly kind: "every" }, scope: Scope): ResolvedExpression {
    const domain = this.#term(expression.domain, scope);
    const inner = scope.inner(true);
    const { key, value } = expression;
    for (const variable of key === undefined ? [value] : [key, value]) {
      this.#declarePattern(variable, inner);
    }
    const head = {
      kind: "every",
      value: this.#term(value, inner),
      domain,
      ...(key === undefined ? {} : { key: this.#term(key, inner) }),
    } as const;
    const bodyScope = inner.inner(false);
    const body = this.#body(expression.body, [], bodyScope);
    this.#reportUnused(bodyScope);
    return { ...head, body };
  }

  /** A term that stands alone as a literal: here calls may have one operand more, which takes the result. */
  #statement(term: Term, scope: Scope): ResolvedExpression {
    if (term.kind !== "call") {
      return { kind: "test", term: this.#term(term, scope) };
    }
    const name = term.operator.join(".");
    if (printNames.has(name) && this.#names.pathOf(name) === undefined) {
      return { kind: "print", operands: term.operands.map((operand) => this.#printOperand(operand, scope)) };
    }
    const [first, second] = term.operands;
    if (
      first !== undefined &&
      second !== undefined &&
      term.operands.length === 2 &&
      this.#names.pathOf(name) === undefined
    ) {
      if (name === "eq") {
        return { kind: "unify", left: this.#term(first, scope), right: this.#term(second, scope) };
      }
      if (name === "assign") {
        return this.#assignment(first, second, scope);
      }
    }
    const callee = this.#names.callee(term, scope);
    const last = term.operands.at(-1);
    if (last !== undefined && term.operands.length === arityOf(callee) + 1) {
      const call = this.#call(callee, { ...term, operands: term.operands.slice(0, -1) }, scope);
      return { kind: "unify", left: this.#term(last, scope), right: call, isOutput: true };
    }
    return { kind: "test", term: this.#call(callee, term, scope) };
  }

  #printOperand(operand: Term, scope: Scope): ResolvedComprehension {
    const { start, end } = operand;
    return { kind: "comprehension", shape: "set", value: this.#term(operand, scope.inner(true)), body: [], start, end };
  }

  #term(term: Term, scope: Scope): ResolvedTerm {
    const { start, end } = term;
    switch (term.kind) {
      case "constant":
        return term;
      case "variable":
        return this.#variable(term, scope);
      case "reference":
        return reference(
          this.#term(term.head, scope),
          term.path.map((part) => this.#term(part, scope)),
          term,
        );
      case "array":
      case "set":
        return { kind: term.kind, items: term.items.map((item) => this.#term(item, scope)), start, end };
      case "object": {
        const members = term.members.map(([key, value]) => [this.#term(key, scope), this.#term(value, scope)] as const);
        return { kind: "object", members, start, end };
      }
      case "call":
        return this.#call(this.#names.callee(term, scope), term, scope);
      case "comprehension":
        return this.#comprehension(term, scope);
      case "template":
        return {
          kind: "template",
          parts: term.parts.map((part) => (typeof part === "string" ? part : this.#templatePart(part, scope))),
          start,
          end,
        };
    }
  }

  #templatePart(literal: Literal, scope: Scope): ResolvedComprehension {
    const { start, end, expression, replacements } = literal;
    const value: VariableTerm = { kind: "variable", name: `expression of the template at ${start}`, start, end };
    const term = expression.kind === "term" ? expression.term : value;
    const unify: Expression = { kind: "unify", left: value, right: term };
    const body = [{ expression: unify, replacements, start, end }];
    return this.#comprehension({ kind: "comprehension", shape: "set", value, body, start, end }, scope);
  }

  #comprehension(term: ComprehensionTerm, scope: Scope): ResolvedComprehension {
    const { start, end, shape } = term;
    const inner = scope.inner(true);
    const headTerms = term.key === undefined ? [term.value] : [term.key, term.value];
    const body = this.#body(term.body, headTerms, inner);
    const resolved = { kind: "comprehension", shape, value: this.#term(term.value, inner), body, start, end } as const;
    const withKey = term.key === undefined ? resolved : { ...resolved, key: this.#term(term.key, inner) };
    this.#reportUnused(inner);
    return withKey;
  }

  #variable(term: VariableTerm, scope: Scope): ResolvedTerm {
    const { name, start, end } = term;
    const local = name === "_" ? scope.add(term) : scope.find(name);
    if (local !== undefined) {
      return { kind: "local", local, start, end };
    }
    const path = this.#names.pathOf(name);
    if (path !== undefined) {
      scope.noteOutside(name);
      return globalReference(path, term);
    }
    if (name === "input" || name === "data") {
      return { kind: name, start, end };
    }
    if (scope.declares(name)) {
      throw new Fault("rego_compile_error", `variable ${name} is used before it is declared`, start);
    }
    throw new Fault("rego_unsafe_var_error", `variable ${name} is unsafe: nothing gives it a value`, start);
  }

  #call(callee: Callee, term: CallTerm, scope: Scope): ResolvedTerm {
    const arity = arityOf(callee);
    if (term.operands.length !== arity) {
      const name = term.operator.join(".");
      const message = `function ${name} takes ${arity} argument${arity === 1 ? "" : "s"}, not ${term.operands.length}`;
      throw new Fault("rego_type_error", message, term.start);
    }
    const operands = term.operands.map((operand) => this.#term(operand, scope));
    this.#names.checkPattern(callee, operands);
    return { kind: "call", callee, operands, start: term.start, end: term.end };
  }

  #replacement({ target, value, start }: Replacement, scope: Scope): ResolvedReplacement {
    const names = constantPath(target);
    if (names === undefined) {
      throw new Fault("rego_type_error", `"with" replaces input, data or a function, by a constant path`, start);
    }
    const callee = this.#names.findCallee(names, undefined, false);
    if (callee !== undefined) {
      return {
        kind: "function",
        replaced: callee,
        value: this.#names.functionNamed(value, scope) ?? this.#term(value, scope),
      };
    }
    return { ...this.#names.replacedDocument(names, start), value: this.#term(value, scope) };
  }

  #checkShadowing({ name, start }: VariableTerm): void {
    if (this.#module.version === "v1" && (name === "input" || name === "data")) {
      throw new Fault("rego_compile_error", `a variable must not be named ${name}`, start);
    }
  }
}
