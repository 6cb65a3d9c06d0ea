/** Which rules there are, by path: modules' rules of one name make one group. */
import { Fault } from "../syntax/source.ts";
import type { ModuleTree, RuleTree, Term } from "../syntax/tree.ts";

/** All rules of one path: together they define one document or one function. */
export interface RuleGroup {
  /** Number of the group, from 0. */
  readonly index: number;
  /** Path below `data`. */
  readonly path: readonly string[];
  /**
   * - complete: one value, the same from every rule;
   * - set: the members of every rule;
   * - object: nested members under each rule's keys, some of them computed;
   * - function: a value for each list of operands.
   */
  readonly kind: "complete" | "set" | "object" | "function";
  /** Number of operands of a function, else 0. */
  readonly arity: number;
  readonly rules: readonly GroupedRule[];
}

/** A rule in its group. */
export interface GroupedRule {
  readonly module: ModuleTree;
  readonly tree: RuleTree;
  /** What of the head's path lies below the group's path. */
  readonly keys: readonly Term[];
}

/** A place below `data` that packages or rules make: has children, or a group. */
export interface DocumentNode {
  readonly path: readonly string[];
  readonly children: ReadonlyMap<string, DocumentNode>;
  readonly group: RuleGroup | undefined;
}

/** The rules of all modules. */
export interface RuleIndex {
  readonly root: DocumentNode;
  readonly groups: readonly RuleGroup[];
  /** Names of rules by package path joined with "/": what a bare name may mean in its modules. */
  readonly namesByPackage: ReadonlyMap<string, ReadonlySet<string>>;
}

interface MutableNode {
  path: string[];
  children: Map<string, MutableNode>;
  group: RuleGroup | undefined;
  rules: GroupedRule[];
  isPackage: boolean;
}

/** Sorts the rules of all modules into groups. `report` gets the faults: conflicting kinds, arities, defaults, packages. */
export function indexRules(
  modules: readonly ModuleTree[],
  report: (module: ModuleTree, fault: Fault) => void,
): RuleIndex {
  const root = newNode([]);
  const namesByPackage = new Map<string, Set<string>>();
  for (const module of modules) {
    descend(root, module.packagePath).isPackage = true;
    const key = module.packagePath.join("/");
    const names = namesByPackage.get(key) ?? new Set<string>();
    namesByPackage.set(key, names);
    for (const tree of module.rules) {
      names.add(tree.name);
      const constantPart = constantPrefix(tree);
      const node = descend(root, [...module.packagePath, ...constantPart]);
      node.rules.push({ module, tree, keys: tree.path.slice(constantPart.length - 1) });
    }
  }
  const groups: RuleGroup[] = [];
  makeGroups(root, groups, report);
  return { root, groups, namesByPackage };
}

function newNode(path: string[]): MutableNode {
  return { path, children: new Map(), group: undefined, rules: [], isPackage: false };
}

function descend(root: MutableNode, path: readonly string[]): MutableNode {
  let node = root;
  for (const name of path) {
    let child = node.children.get(name);
    if (child === undefined) {
      child = newNode([...node.path, name]);
      node.children.set(name, child);
    }
    node = child;
  }
  return node;
}

/** The name and the constant strings that follow it. */
function constantPrefix(tree: RuleTree): string[] {
  const prefix = [tree.name];
  for (const part of tree.path) {
    if (part.kind !== "constant" || typeof part.value !== "string") {
      break;
    }
    prefix.push(part.value);
  }
  return prefix;
}

function makeGroups(node: MutableNode, groups: RuleGroup[], report: (module: ModuleTree, fault: Fault) => void): void {
  if (node.rules.some((rule) => rule.keys.length > 0)) {
    takeRulesBelow(node, report);
  }
  const [first] = node.rules;
  if (first !== undefined) {
    checkNoPackageBelow(node, first, report);
    node.group = makeGroup(node, groups.length, report);
    groups.push(node.group);
    for (const child of node.children.values()) {
      reportRuleBelow(child, first, report);
    }
  }
  for (const child of node.children.values()) {
    makeGroups(child, groups, report);
  }
}

/** Rules with computed keys make a partial object of everything below: `p[x] := 1` and `p.a := 2` are one group. */
function takeRulesBelow(node: MutableNode, report: (module: ModuleTree, fault: Fault) => void): void {
  const take = (below: MutableNode, prefix: readonly Term[]): void => {
    for (const [name, child] of below.children) {
      if (child.isPackage) {
        continue;
      }
      const path = [...prefix, { kind: "constant", value: name, start: 0, end: 0 } as const];
      for (const rule of child.rules) {
        if (rule.tree.parameters !== undefined && rule.tree.parameters.length > 0) {
          report(rule.module, conflict(rule, "a function below a partial object"));
        }
        node.rules.push({ ...rule, keys: [...path, ...rule.keys] });
      }
      take(child, path);
      below.children.delete(name);
    }
  };
  take(node, []);
}

function checkNoPackageBelow(
  node: MutableNode,
  rule: GroupedRule,
  report: (module: ModuleTree, fault: Fault) => void,
): void {
  const isPackageBelow = (below: MutableNode): boolean =>
    below.isPackage || [...below.children.values()].some(isPackageBelow);
  if (isPackageBelow(node)) {
    report(rule.module, conflict(rule, "the path of a rule is also a package"));
  }
}

function reportRuleBelow(
  node: MutableNode,
  above: GroupedRule,
  report: (module: ModuleTree, fault: Fault) => void,
): void {
  const [rule] = node.rules;
  if (rule !== undefined && !node.isPackage) {
    const line = above.module.source.lineAt(above.tree.start);
    report(rule.module, conflict(rule, `lies below the rule ${above.tree.name} of line ${line}, which has a value`));
  }
}

function makeGroup(node: MutableNode, index: number, report: (module: ModuleTree, fault: Fault) => void): RuleGroup {
  const [first] = node.rules;
  const kind = first === undefined ? "complete" : groupKind(node.rules);
  const arity = first?.tree.parameters?.length ?? 0;
  let seenDefault: GroupedRule | undefined;
  for (const rule of node.rules) {
    if (first !== undefined && ruleKind(rule) !== kind && !(rule.tree.isDefault && kind === "object")) {
      report(rule.module, conflict(rule, `conflicts with the rule of the same name ${placeOf(first)}`));
    } else if (kind === "function" && (rule.tree.parameters?.length ?? 0) !== arity && first !== undefined) {
      report(rule.module, conflict(rule, `takes another number of arguments than ${placeOf(first)}`));
    }
    if (rule.tree.isDefault && kind !== "object") {
      if (seenDefault !== undefined) {
        report(rule.module, conflict(rule, `has a second default; the first is ${placeOf(seenDefault)}`));
      }
      seenDefault = rule;
    }
  }
  return { index, path: node.path, kind, arity, rules: node.rules };
}

function groupKind(rules: readonly GroupedRule[]): RuleGroup["kind"] {
  const kinds = rules.map(ruleKind);
  return kinds.includes("object") ? "object" : (kinds.find((kind) => kind !== "complete") ?? "complete");
}

function ruleKind({ tree, keys }: GroupedRule): RuleGroup["kind"] {
  if (tree.parameters !== undefined && tree.parameters.length > 0) {
    return "function";
  }
  if (keys.length > 0) {
    return "object";
  }
  return tree.member === undefined ? "complete" : "set";
}

function placeOf({ module, tree }: GroupedRule): string {
  return `in ${module.source.name}, line ${module.source.lineAt(tree.start)}`;
}

function conflict(rule: GroupedRule, what: string): Fault {
  return new Fault("rego_type_error", `rule ${rule.tree.name}: ${what}`, rule.tree.start);
}
