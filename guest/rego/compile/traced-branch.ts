/** Code for a rule's body that writes down how far it came. */
import type { RuleGroup } from "../analysis/rule-groups.ts";
import type { Execute, Frame } from "../evaluate/frame.ts";
import type { TracedValue } from "../evaluate/trace.ts";
import type { PlannedBranch, PlannedLiteral } from "../plan/plan.ts";
import type { Unit } from "./unit.ts";

/** As the plain code of the body, which it does exactly as much as; needs an evaluation with a trace to write to. */
export function compileTracedBranch(
  group: RuleGroup,
  branch: PlannedBranch,
  unit: Unit,
  next: Execute,
): (frame: Frame) => void {
  const { body } = branch;
  const last: Execute = (frame) => {
    if (frame.progress !== undefined) {
      frame.progress.held = true;
    }
    return next(frame);
  };
  const execute = body.reduceRight((after, literal, index) => compileReached(literal, index, unit, after), last);
  return (frame) => {
    const { trace } = frame.evaluation;
    if (trace === undefined) {
      execute(frame);
      return;
    }
    trace.follow(
      (progress) => {
        const outer = frame.progress;
        frame.progress = progress;
        execute(frame);
        frame.progress = outer;
      },
      ({ furthest, values, children }) => {
        const { start, end } = body[furthest] ?? branch;
        const passed = Math.max(furthest, 0);
        return { rule: group.path, source: unit.source, start, end, passed, total: body.length, values, children };
      },
    );
  };
}

function compileReached(literal: PlannedLiteral, index: number, unit: Unit, after: Execute): Execute {
  const execute = unit.steps(literal.steps, after);
  const variables = literal.variables.map(({ name, slot }) => ({ name, slot }));
  const references = literal.references.map(({ name, expression }) => ({ name, get: unit.expression(expression) }));
  return (frame) => {
    const { trace } = frame.evaluation;
    if (trace !== undefined && frame.progress !== undefined) {
      trace.reach(frame.progress, index, () => {
        const ofVariables = variables.map(({ name, slot }): TracedValue => ({ name, value: frame.slots[slot] }));
        return [...ofVariables, ...references.map(({ name, get }): TracedValue => ({ name, value: get(frame) }))];
      });
    }
    return execute(frame);
  };
}
