/** The code of a policy: one variant for each set of options, each rule compiled when it is first needed. */
import type { DocumentNode, RuleGroup } from "../analysis/rule-groups.ts";
import type { Builtin } from "../builtins/types.ts";
import { baseValue, isReplaced } from "../evaluate/documents.ts";
import { type Evaluation, noValue } from "../evaluate/evaluation.ts";
import type { Execute, Frame, Get } from "../evaluate/frame.ts";
import type { Body, Expression, PlannedBranch, PlannedRule, Step } from "../plan/plan.ts";
import type { Source } from "../syntax/source.ts";
import type { Value } from "../value.ts";
import { compileExpression } from "./expressions.ts";
import { compileGroup } from "./rules.ts";
import { compileSteps } from "./steps.ts";
import { compileTracedBranch } from "./traced-branch.ts";
import type { CodeOptions, ProgramCode, RuleCode, Unit } from "./unit.ts";

/** What a program is made from: the plans of a policy and what is known about its rules. */
export interface PlannedPolicy {
  readonly root: DocumentNode;
  /** By number of the group. */
  readonly plans: readonly (readonly PlannedRule[])[];
  readonly constantGroups: ReadonlySet<RuleGroup>;
  readonly replacedFunctions: ReadonlySet<Builtin | RuleGroup>;
}

/** A policy's code with one set of options. */
export class Program implements ProgramCode {
  readonly options: CodeOptions;
  readonly root: DocumentNode;
  readonly #policy: PlannedPolicy;
  readonly #rules: (RuleCode | undefined)[] = [];
  #sites = 0;
  /** Values of constant rules, kept from one evaluation to the next. */
  readonly #constants: (Value | typeof noValue | undefined)[] = [];

  constructor(policy: PlannedPolicy, options: CodeOptions) {
    this.#policy = policy;
    this.root = policy.root;
    this.options = options;
  }

  rule(group: RuleGroup): RuleCode {
    const existing = this.#rules[group.index];
    if (existing !== undefined) {
      return existing;
    }
    const code = compileGroup(group, this, (plan) => new CodeUnit(this, plan.source));
    this.#rules[group.index] = code;
    return code;
  }

  newSite(): number {
    this.#sites += 1;
    return this.#sites - 1;
  }

  plans(group: RuleGroup): readonly PlannedRule[] {
    return this.#policy.plans[group.index] ?? [];
  }

  isReplaced(target: Builtin | RuleGroup): boolean {
    return this.#policy.replacedFunctions.has(target);
  }

  isConstant(group: RuleGroup): boolean {
    return this.options.folding && this.#policy.constantGroups.has(group);
  }

  /** A property, since it is handed on as a function. */
  readonly ruleValue = (evaluation: Evaluation, group: RuleGroup): Value | undefined => {
    const { world } = evaluation;
    // A built-in error that is let pass must not decide what a strict evaluation sees.
    const memo = this.isConstant(group) && !evaluation.strict ? this.#constants : world.memo;
    const known = memo[group.index];
    if (known !== undefined) {
      return known === noValue ? undefined : known;
    }
    const isHidden = world.replacedPaths.length > 0 && isReplaced(world, group.path);
    const value = isHidden ? baseValue(world, group.path) : this.rule(group).value(evaluation);
    memo[group.index] = value === undefined ? noValue : value;
    return value;
  };

  /** Code outside rules: that of a query. */
  unit(source: Source): Unit {
    return new CodeUnit(this, source);
  }
}

class CodeUnit implements Unit {
  readonly program: ProgramCode;
  readonly source: Source;

  constructor(program: ProgramCode, source: Source) {
    this.program = program;
    this.source = source;
  }

  expression(expression: Expression): Get {
    return compileExpression(expression, this);
  }

  steps(steps: readonly Step[], next: Execute): Execute {
    return compileSteps(steps, this, next);
  }

  body(body: Body, next: Execute): Execute {
    return this.steps(
      body.flatMap((literal) => literal.steps),
      next,
    );
  }

  branch(group: RuleGroup | undefined, branch: PlannedBranch, next: Execute): (frame: Frame) => void {
    return this.program.options.tracing && group !== undefined
      ? compileTracedBranch(group, branch, this, next)
      : this.body(branch.body, next);
  }
}
