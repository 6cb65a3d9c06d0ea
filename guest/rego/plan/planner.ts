/** Resolved rules and queries to plans (spec/rego-language.md 2.4). */
import type { ResolvedBranch, ResolvedLiteral, ResolvedRule, ResolvedTerm } from "../analysis/resolved.ts";
import type { DocumentNode } from "../analysis/rule-groups.ts";
import { Fault, type Source } from "../syntax/source.ts";
import { Bindings, notReady, type Place } from "./bindings.ts";
import { BodyPlanner } from "./body-planner.ts";
import { DocumentReferences } from "./document-references.ts";
import type { Equation } from "./equations.ts";
import type { Body, Dependencies, Expression, PlannedBranch, PlannedRule, Replaced, Step } from "./plan.ts";

/** What a rule or query is planned with. */
export interface PlanContext {
  /** The packages and rules of the policy. */
  readonly root: DocumentNode;
  /** Locals that the resolver has counted. */
  readonly localCount: number;
  /** Added to. */
  readonly replaced: Replaced;
  /** Added to. */
  readonly dependencies: Dependencies;
  /** The module, when the plan is for explanations. */
  readonly explained: Source | undefined;
  readonly report: (fault: Fault) => void;
}

/** Plans one rule or query. Faults are reported; what is unsafe has no plan. */
export class Planner {
  readonly #report: (fault: Fault) => void;
  readonly #bindings: Bindings;
  readonly #bodies: BodyPlanner;

  constructor({ root, localCount, replaced, dependencies, explained, report }: PlanContext) {
    this.#report = report;
    this.#bindings = new Bindings(localCount);
    const documents = new DocumentReferences(root, dependencies);
    this.#bodies = new BodyPlanner({ bindings: this.#bindings, documents, dependencies, replaced, explained });
  }

  /** Plans a rule. Undefined when it is unsafe, which has been reported. */
  rule(rule: ResolvedRule): PlannedRule | undefined {
    return this.#guarded(() => {
      const entry: Place = { depth: 0, bindable: 0, steps: [] };
      const deferred: Equation[] = [];
      const parameters = rule.parameters.map((parameter) => this.#bodies.terms.pattern(parameter, entry, deferred));
      this.#bindings.settle();
      const branches: PlannedBranch[] = [];
      for (const branch of rule.branches) {
        const mark = this.#bindings.mark();
        branches.push(this.#branch(branch, entry.steps, deferred));
        this.#bindings.rollback(mark);
      }
      const { source, isDefault, start, end } = rule;
      return { source, isDefault, parameters, branches, frameSize: this.#bindings.frameSize, start, end };
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
    return this.#guarded(() => ({ ...this.#whole(body, columns, 0, []), frameSize: this.#bindings.frameSize }));
  }

  #whole(
    body: readonly ResolvedLiteral[],
    headTerms: readonly ResolvedTerm[],
    headStart: number,
    deferred: readonly Equation[],
  ): { body: Body; expressions: Expression[] } {
    const literals = this.#bodies.bodyUnder(headTerms, body, 0);
    const head: Place = { depth: 0, bindable: 0, steps: [] };
    this.#bodies.terms.solve([...deferred], head);
    this.#bodies.terms.hoisted.clear();
    const expressions = headTerms.map((term) => this.#bodies.terms.value(term, head));
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
      for (const { name, start } of this.#bindings.missing.values()) {
        const message = `variable ${name} is unsafe: nothing gives it a value`;
        this.#report(new Fault("rego_unsafe_var_error", message, start));
      }
      return undefined;
    }
  }
}
