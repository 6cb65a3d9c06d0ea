/** Rules that need their own value, and rules whose value depends on the policy's text only. */
import type { Dependencies } from "../plan/plan.ts";
import { Fault } from "../syntax/source.ts";
import type { ModuleTree } from "../syntax/tree.ts";
import type { RuleGroup } from "./rule-groups.ts";

/** Dependencies by number of the group. */
export type DependencyGraph = readonly Dependencies[];

/** Reports every group that depends on itself, with the way round. */
export function checkRecursion(
  groups: readonly RuleGroup[],
  graph: DependencyGraph,
  report: (module: ModuleTree, fault: Fault) => void,
): void {
  const state: ("open" | "done" | undefined)[] = [];
  const trail: RuleGroup[] = [];
  const visit = (group: RuleGroup): void => {
    if (state[group.index] === "done") {
      return;
    }
    if (state[group.index] === "open") {
      reportCycle(trail.slice(trail.indexOf(group)), report);
      return;
    }
    state[group.index] = "open";
    trail.push(group);
    for (const next of graph[group.index]?.groups ?? []) {
      visit(next);
    }
    trail.pop();
    state[group.index] = "done";
  };
  for (const group of groups) {
    visit(group);
  }
}

function reportCycle(cycle: readonly RuleGroup[], report: (module: ModuleTree, fault: Fault) => void): void {
  const names = cycle.map(({ path }) => `data.${path.join(".")}`);
  const message = `rule ${names[0]} is recursive: ${[...names, names[0]].join(" -> ")}`;
  const rule = cycle[0]?.rules[0];
  if (rule !== undefined) {
    report(rule.module, new Fault("rego_recursion_error", message, rule.tree.start));
  }
}

/** Groups that read neither input nor base data, call nothing that varies, and are touched by no `with`. */
export function findConstantGroups(
  groups: readonly RuleGroup[],
  graph: DependencyGraph,
  isReplaced: (group: RuleGroup) => boolean,
  isVarying: (dependencies: Dependencies) => boolean,
): Set<RuleGroup> {
  const constant = new Map<RuleGroup, boolean>();
  const visit = (group: RuleGroup): boolean => {
    const known = constant.get(group);
    if (known !== undefined) {
      return known;
    }
    constant.set(group, false);
    const dependencies = graph[group.index];
    const isConstant =
      dependencies !== undefined &&
      !isReplaced(group) &&
      !isVarying(dependencies) &&
      [...dependencies.groups].every((next) => visit(next));
    constant.set(group, isConstant);
    return isConstant;
  };
  return new Set(groups.filter(visit));
}
