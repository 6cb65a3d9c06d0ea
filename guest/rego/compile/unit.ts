/** What the parts of the compiler need of each other and of the program. */
import type { DocumentNode, RuleGroup } from "../analysis/rule-groups.ts";
import type { Builtin } from "../builtins/types.ts";
import type { Evaluation } from "../evaluate/evaluation.ts";
import type { Execute, Frame, Get } from "../evaluate/frame.ts";
import type { Body, Expression, PlannedBranch, PlannedRule, Step } from "../plan/plan.ts";
import type { Source } from "../syntax/source.ts";
import type { Value } from "../value.ts";

/** Which optimisations and extras the code has. None of them changes a result. */
export interface CodeOptions {
  /** Stop at the first solution where the others can only give the same. */
  readonly earlyExit: boolean;
  /** Work out once, and keep, what depends on the policy's text only. */
  readonly folding: boolean;
  /** Look up candidates by the literals that tell them apart. */
  readonly indexes: boolean;
  readonly prints: boolean;
  /** Write failed attempts down. */
  readonly tracing: boolean;
}

/** A compiled rule, or function. */
export interface RuleCode {
  /** The value in the evaluation's world; for rules that are no functions. */
  value(evaluation: Evaluation): Value | undefined;
  /** The function's result; for functions. */
  call(evaluation: Evaluation, operands: readonly Value[]): Value | undefined;
}

/** The code of all rules, made when first needed. */
export interface ProgramCode {
  readonly options: CodeOptions;
  readonly root: DocumentNode;
  rule(group: RuleGroup): RuleCode;
  /** A number for a place in the code that keeps results during an evaluation. */
  newSite(): number;
  ruleValue(evaluation: Evaluation, group: RuleGroup): Value | undefined;
  /** The plans of a group's rules. */
  plans(group: RuleGroup): readonly PlannedRule[];
  /** Whether some `with` of the policy replaces the function. */
  isReplaced(target: Builtin | RuleGroup): boolean;
  /** Whether the group's value, or the function's result, depends on the policy's text (and the operands) only. */
  isConstant(group: RuleGroup): boolean;
}

/** The compiler of one module's code. */
export interface Unit {
  readonly program: ProgramCode;
  readonly source: Source;
  expression(expression: Expression): Get;
  steps(steps: readonly Step[], next: Execute): Execute;
  body(body: Body, next: Execute): Execute;
  /** A rule's body; the group is named where failed attempts are worth writing down. */
  branch(group: RuleGroup | undefined, branch: PlannedBranch, next: Execute): (frame: Frame) => void;
}
