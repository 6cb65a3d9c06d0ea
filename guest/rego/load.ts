/** Modules to a planned policy: everything that can be wrong with it is found here. */

import type { Names } from "./analysis/module-names.ts";
import { checkRecursion, findConstantGroups } from "./analysis/recursion.ts";
import { Resolver } from "./analysis/resolver.ts";
import { indexRules, type RuleGroup, type RuleIndex } from "./analysis/rule-groups.ts";
import type { Builtin } from "./builtins/types.ts";
import type { PlannedPolicy } from "./compile/program.ts";
import { type Diagnostic, RegoLoadError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { Body, Dependencies, Expression, PlannedRule, Replaced } from "./plan/plan.ts";
import { Planner } from "./plan/planner.ts";
import { parseModule } from "./syntax/module-parser.ts";
import type { Fault, Source } from "./syntax/source.ts";
import type { Literal, ModuleTree } from "./syntax/tree.ts";

/** What a policy may use, and how it is to be read. */
export interface LoadOptions {
  readonly version: "v0" | "v1" | undefined;
  readonly limits: Limits;
  readonly builtins: ReadonlyMap<string, Builtin>;
  readonly allowNondeterministic: boolean;
  readonly allowBadPatterns: boolean;
  /** Plans say more about each literal, for explanations. */
  readonly explains: boolean;
}

/** A policy whose modules have passed every check. */
export interface LoadedPolicy {
  readonly rules: RuleIndex;
  readonly planned: PlannedPolicy;
  readonly names: Names;
}

/** A query, planned against a policy. */
export interface PlannedQuery {
  readonly source: Source;
  readonly body: Body;
  readonly columns: readonly { readonly name: string; readonly expression: Expression }[];
  readonly frameSize: number;
  /** The policy's plan, with what the query's own `with` replaces taken into account. */
  readonly planned: PlannedPolicy;
}

/** Collects faults of all modules. */
class Diagnostics {
  readonly #entries: Diagnostic[] = [];
  readonly #maximum: number;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  readonly report = (source: Source, { code, message, offset }: Fault): void => {
    const diagnostic = source.diagnostic(code, message, offset);
    const isKnown = this.#entries.some(
      (entry) =>
        entry.file === diagnostic.file &&
        entry.line === diagnostic.line &&
        entry.column === diagnostic.column &&
        entry.message === message,
    );
    if (!isKnown && this.#entries.length < this.#maximum) {
      this.#entries.push(diagnostic);
    }
  };

  add(diagnostics: readonly Diagnostic[]): void {
    this.#entries.push(...diagnostics);
  }

  /** Throws RegoLoadError if there are any. */
  check(): void {
    if (this.#entries.length > 0) {
      const order = (a: Diagnostic, b: Diagnostic): number => a.line - b.line || a.column - b.column;
      throw new RegoLoadError(this.#entries.slice(0, this.#maximum).sort(order));
    }
  }
}

/** Parses and checks modules. Throws RegoLoadError with the faults of all of them. */
export function loadPolicy(modules: readonly { name: string; text: string }[], options: LoadOptions): LoadedPolicy {
  const diagnostics = new Diagnostics(options.limits.maxDiagnostics);
  const trees: ModuleTree[] = [];
  for (const { name, text } of modules) {
    try {
      trees.push(parseModule(name, text, options.version, options.limits));
    } catch (error) {
      if (!(error instanceof RegoLoadError)) {
        throw error;
      }
      diagnostics.add(error.diagnostics);
    }
  }
  diagnostics.check();
  const report = (module: ModuleTree, fault: Fault): void => diagnostics.report(module.source, fault);
  const rules = indexRules(trees, report);
  diagnostics.check();
  const { builtins, allowNondeterministic, allowBadPatterns } = options;
  const names = { rules, builtins, allowNondeterministic, allowBadPatterns };
  const planned = planRules(trees, names, options.explains, report);
  diagnostics.check();
  return { rules, planned, names };
}

function planRules(
  trees: readonly ModuleTree[],
  names: Names,
  explains: boolean,
  report: (module: ModuleTree, fault: Fault) => void,
): PlannedPolicy {
  const { root, groups } = names.rules;
  const replaced: Replaced = { functions: new Set(), dataPaths: [] };
  const resolvers = new Map(
    trees.map((tree) => [tree, new Resolver(names, tree, (fault) => report(tree, fault))] as const),
  );
  const graph: Dependencies[] = [];
  const plans = groups.map((group) => {
    const dependencies = noDependencies();
    graph.push(dependencies);
    return group.rules.flatMap((rule): PlannedRule[] => {
      const resolved = resolvers.get(rule.module)?.rule(rule);
      if (resolved === undefined) {
        return [];
      }
      const planner = new Planner({
        root,
        localCount: resolved.localCount,
        replaced,
        dependencies,
        explained: explains ? rule.module.source : undefined,
        report: (fault) => report(rule.module, fault),
      });
      const plan = planner.rule(resolved);
      return plan === undefined ? [] : [plan];
    });
  });
  checkRecursion(groups, graph, report);
  const isReplaced = (group: RuleGroup): boolean =>
    replaced.functions.has(group) || replaced.dataPaths.some((path) => overlaps(path, group.path));
  const isVarying = (dependencies: Dependencies): boolean =>
    dependencies.readsInput ||
    dependencies.readsBaseData ||
    dependencies.prints ||
    [...dependencies.builtins].some((builtin) => builtin.nondeterministic === true || replaced.functions.has(builtin));
  const constantGroups = findConstantGroups(groups, graph, isReplaced, isVarying);
  return { root, plans, constantGroups, replacedFunctions: replaced.functions };
}

function noDependencies(): Dependencies {
  return { groups: new Set(), builtins: new Set(), readsInput: false, readsBaseData: false, prints: false };
}

/** One path is the start of the other. */
function overlaps(a: readonly string[], b: readonly string[]): boolean {
  const length = Math.min(a.length, b.length);
  return a.slice(0, length).every((name, index) => name === b[index]);
}

/** Plans a query. Throws RegoLoadError. */
export function planQuery(
  policy: LoadedPolicy,
  source: Source,
  body: readonly Literal[],
  limits: Limits,
): PlannedQuery {
  const diagnostics = new Diagnostics(limits.maxDiagnostics);
  const report = (fault: Fault): void => diagnostics.report(source, fault);
  // A query stands in no package; as v0 it may call deprecated built-ins.
  const module: ModuleTree = { source, version: "v0", packagePath: [], imports: [], rules: [] };
  const resolved = new Resolver({ ...policy.names }, module, report).query(body);
  diagnostics.check();
  const replaced: Replaced = { functions: new Set(policy.planned.replacedFunctions), dataPaths: [] };
  const planner = new Planner({
    root: policy.rules.root,
    localCount: resolved?.slots.count ?? 0,
    replaced,
    dependencies: noDependencies(),
    explained: undefined,
    report,
  });
  const columns = resolved?.columns ?? [];
  const planned =
    resolved &&
    planner.query(
      resolved.body,
      columns.map((column) => column.term),
    );
  diagnostics.check();
  const replacesMore = replaced.functions.size > policy.planned.replacedFunctions.size || replaced.dataPaths.length > 0;
  return {
    source,
    body: planned?.body ?? [],
    frameSize: planned?.frameSize ?? 0,
    columns: columns.flatMap(({ name }, index) => {
      const expression = planned?.expressions[index];
      return expression === undefined ? [] : [{ name, expression }];
    }),
    planned: replacesMore
      ? { ...policy.planned, constantGroups: new Set(), replacedFunctions: replaced.functions }
      : policy.planned,
  };
}
