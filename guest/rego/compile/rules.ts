/** Code for rules: their bodies put together to documents and functions. */
import type { RuleGroup } from "../analysis/rule-groups.ts";
import { RegoEvaluationError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluation.ts";
import { Frame, type Match } from "../evaluate/frame.ts";
import { PartialObject } from "../evaluate/partial-object.ts";
import type { PlannedBranch, PlannedRule } from "../plan/plan.ts";
import { equal, RegoSet, type Value } from "../value.ts";
import { isDetermined } from "./determined.ts";
import { compileOperands } from "./operands.ts";
import { compilePattern } from "./patterns.ts";
import type { ProgramCode, RuleCode, Unit } from "./unit.ts";

/** One body with its `else` branches. Adds to the frame's result; true when a branch held. */
interface CompiledRule {
  readonly match: readonly Match[];
  /** What the only branch gives if it holds, where that is a constant. */
  readonly constant: Value | undefined;
  readonly run: (frame: Frame) => void;
}

/** Code for all rules of one group. */
export function compileGroup(group: RuleGroup, program: ProgramCode, unitOf: (rule: PlannedRule) => Unit): RuleCode {
  const plans = program.plans(group);
  const size = Math.max(0, ...plans.map((plan) => plan.frameSize));
  switch (group.kind) {
    case "complete":
    case "function":
      return new SingleValueCode(group, plans, program, unitOf, size);
    case "set":
      return new SetCode(plans, unitOf, size);
    case "object":
      return new ObjectCode(group, plans, unitOf, size);
  }
}

/** Complete rules and functions: one value, the same from every body. */
class SingleValueCode implements RuleCode {
  readonly #rules: readonly CompiledRule[];
  readonly #defaults: readonly CompiledRule[];
  readonly #frameSize: number;
  readonly #stopsEarly: boolean;

  constructor(
    group: RuleGroup,
    plans: readonly PlannedRule[],
    program: ProgramCode,
    unitOf: (rule: PlannedRule) => Unit,
    frameSize: number,
  ) {
    const compile = (plan: PlannedRule): CompiledRule => compileSingleValue(group, plan, unitOf(plan));
    this.#rules = plans.filter((plan) => !plan.isDefault).map(compile);
    this.#defaults = plans.filter((plan) => plan.isDefault).map(compile);
    this.#frameSize = frameSize;
    this.#stopsEarly = program.options.earlyExit;
  }

  value(evaluation: Evaluation): Value | undefined {
    return this.call(evaluation, []);
  }

  call(evaluation: Evaluation, operands: readonly Value[]): Value | undefined {
    const { trace } = evaluation;
    return trace === undefined
      ? this.#run(evaluation, operands)
      : trace.forgetIfSucceeded(() => this.#run(evaluation, operands));
  }

  #run(evaluation: Evaluation, operands: readonly Value[]): Value | undefined {
    evaluation.enter();
    const frame = new Frame(evaluation, this.#frameSize);
    for (const rule of this.#rules) {
      const isSettled = this.#stopsEarly && frame.result !== undefined && rule.constant !== undefined;
      // A body that can only give what is known already need not run.
      if (isSettled && equal(frame.result ?? null, rule.constant ?? null)) {
        continue;
      }
      if (matches(rule.match, frame, operands)) {
        rule.run(frame);
      }
    }
    if (frame.result === undefined) {
      for (const rule of this.#defaults) {
        rule.run(frame);
      }
    }
    evaluation.leave();
    return frame.result;
  }
}

function matches(patterns: readonly Match[], frame: Frame, operands: readonly Value[]): boolean {
  for (let index = 0; index < patterns.length; index += 1) {
    const operand = operands[index];
    if (operand === undefined || patterns[index]?.(frame, operand) !== true) {
      return false;
    }
  }
  return true;
}

function compileSingleValue(group: RuleGroup, plan: PlannedRule, unit: Unit): CompiledRule {
  const match = plan.parameters.map((parameter) => compilePattern(parameter, unit));
  const branches = plan.branches.map((branch) => compileSingleBranch(group, plan, branch, unit));
  const [first] = plan.branches;
  const isConstant = plan.branches.length === 1 && first?.value.kind === "constant";
  const constant = isConstant && first.value.kind === "constant" ? first.value.value : undefined;
  const [only] = branches;
  if (only !== undefined && branches.length === 1) {
    return { match, constant, run: only };
  }
  const run = (frame: Frame): void => {
    const before = frame.result;
    for (const branch of branches) {
      frame.result = undefined;
      branch(frame);
      if (frame.result !== undefined) {
        break;
      }
    }
    const { result } = frame;
    if (before !== undefined && result !== undefined && !equal(before, result)) {
      throw conflict(group, plan, unit);
    }
    frame.result = result ?? before;
  };
  return { match, constant, run };
}

function compileSingleBranch(
  group: RuleGroup,
  plan: PlannedRule,
  branch: PlannedBranch,
  unit: Unit,
): (frame: Frame) => void {
  const stops = unit.program.options.earlyExit && isDetermined(branch);
  const getValue = unit.expression(branch.value);
  return unit.branch(group, branch, (frame) => {
    const value = getValue(frame);
    if (value === undefined) {
      return false;
    }
    if (frame.result === undefined) {
      frame.result = value;
    } else if (!equal(frame.result, value)) {
      throw conflict(group, plan, unit);
    }
    return stops;
  });
}

function conflict(group: RuleGroup, plan: PlannedRule, unit: Unit): RegoEvaluationError {
  const kind = group.kind === "function" ? "functions" : "complete rules";
  const message = `${kind} must not produce multiple outputs: ${group.path.join(".")} has two different values`;
  return new RegoEvaluationError("eval_conflict_error", message, unit.source.name, unit.source.lineAt(plan.start));
}

/** Partial sets: the members of all bodies. */
class SetCode implements RuleCode {
  readonly #bodies: readonly ((frame: Frame) => void)[];
  readonly #frameSize: number;

  constructor(plans: readonly PlannedRule[], unitOf: (rule: PlannedRule) => Unit, frameSize: number) {
    this.#frameSize = frameSize;
    this.#bodies = plans.flatMap((plan) => plan.branches.map((branch) => compileMember(branch, unitOf(plan))));
  }

  value(evaluation: Evaluation): Value {
    evaluation.enter();
    const frame = new Frame(evaluation, this.#frameSize);
    const set = new RegoSet();
    frame.result = set;
    for (const body of this.#bodies) {
      body(frame);
    }
    evaluation.leave();
    return set;
  }

  call(evaluation: Evaluation): Value {
    return this.value(evaluation);
  }
}

function compileMember(branch: PlannedBranch, unit: Unit): (frame: Frame) => void {
  const stops = unit.program.options.earlyExit && isDetermined(branch);
  const getMember = unit.expression(branch.member ?? branch.value);
  return unit.branch(undefined, branch, (frame) => {
    const member = getMember(frame);
    if (member !== undefined && frame.result instanceof RegoSet) {
      frame.evaluation.chargeOutput(1);
      frame.result.add(member);
    }
    return stops && member !== undefined;
  });
}

/** Partial objects: nested members under computed keys. */
class ObjectCode implements RuleCode {
  readonly #rules: readonly ((evaluation: Evaluation, object: PartialObject) => void)[];

  constructor(group: RuleGroup, plans: readonly PlannedRule[], unitOf: (rule: PlannedRule) => Unit, frameSize: number) {
    const ordered = [...plans.filter((plan) => !plan.isDefault), ...plans.filter((plan) => plan.isDefault)];
    this.#rules = ordered.map((plan) => compileObjectRule(group, plan, unitOf(plan), frameSize));
  }

  value(evaluation: Evaluation): Value {
    evaluation.enter();
    const object = new PartialObject();
    for (const rule of this.#rules) {
      rule(evaluation, object);
    }
    evaluation.leave();
    return object.finish();
  }

  call(evaluation: Evaluation): Value {
    return this.value(evaluation);
  }
}

function compileObjectRule(
  group: RuleGroup,
  plan: PlannedRule,
  unit: Unit,
  frameSize: number,
): (evaluation: Evaluation, object: PartialObject) => void {
  const branches = plan.branches.map((branch) => compileObjectBranch(group, plan, branch, unit));
  return (evaluation, object) => {
    const frame = new Frame(evaluation, frameSize);
    frame.members = object;
    for (const branch of branches) {
      branch(frame);
      // A branch that held has left something here; the `else` after it does not count then.
      if (frame.result !== undefined) {
        return;
      }
    }
  };
}

function compileObjectBranch(
  group: RuleGroup,
  plan: PlannedRule,
  branch: PlannedBranch,
  unit: Unit,
): (frame: Frame) => void {
  const stops = unit.program.options.earlyExit && isDetermined(branch);
  const getKeys = compileOperands(branch.keys, unit);
  const isMember = branch.member !== undefined;
  const getLeaf = unit.expression(branch.member ?? branch.value);
  return unit.branch(group, branch, (frame) => {
    const path = getKeys(frame);
    const leaf = path === undefined ? undefined : getLeaf(frame);
    if (path !== undefined && leaf !== undefined) {
      frame.evaluation.chargeOutput(1);
      frame.result = leaf;
      if (frame.members?.add(path, leaf, isMember, plan.isDefault) === false) {
        const message = `object keys must be unique: ${group.path.join(".")} has two values for one key`;
        const { source } = unit;
        throw new RegoEvaluationError("eval_conflict_error", message, source.name, source.lineAt(plan.start));
      }
    }
    return stops && leaf !== undefined;
  });
}
