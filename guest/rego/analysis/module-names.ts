/** What names mean in a module outside its rules: imports, rules of the package, functions. */
import { isLoadedOnDemand } from "../builtins/on-demand.ts";
import type { Builtin } from "../builtins/types.ts";
import { compileRegex, RegexSyntaxError } from "../regex/index.ts";
import { Fault } from "../syntax/source.ts";
import type { CallTerm, ModuleTree, Term } from "../syntax/tree.ts";
import type { Callee, ResolvedTerm } from "./resolved.ts";
import type { DocumentNode, RuleGroup, RuleIndex } from "./rule-groups.ts";
import type { Scope } from "./scope.ts";

/** What names may mean in every module of a policy. */
export interface Names {
  readonly rules: RuleIndex;
  readonly builtins: ReadonlyMap<string, Builtin>;
  readonly allowNondeterministic: boolean;
  readonly allowBadPatterns: boolean;
}

/** Which operand of a built-in is a pattern. */
const patternOperands: ReadonlyMap<string, number> = new Map([
  ["re_match", 0],
  ["regex.find_all_string_submatch_n", 0],
  ["regex.find_n", 0],
  ["regex.match", 0],
  ["regex.replace", 1],
  ["regex.split", 0],
]);

/** The names of one module. */
export class ModuleNames {
  readonly #names: Names;
  readonly #version: "v0" | "v1";
  /** Paths by name: imports and the rules of the package. */
  readonly #paths = new Map<string, readonly string[]>();

  /** `report` gets imports of one name, which v1 does not allow. */
  constructor(names: Names, module: ModuleTree, report: (fault: Fault) => void) {
    this.#names = names;
    this.#version = module.version;
    for (const name of names.rules.namesByPackage.get(module.packagePath.join("/")) ?? []) {
      this.#paths.set(name, ["data", ...module.packagePath, name]);
    }
    const imported = new Set<string>();
    for (const { alias, path, start } of module.imports) {
      if (module.version === "v1" && imported.has(alias)) {
        report(new Fault("rego_compile_error", `import ${alias}: the name is imported twice`, start));
      }
      imported.add(alias);
      this.#paths.set(alias, path);
    }
  }

  /** The path that an import or a rule of this name has, or undefined. */
  pathOf(name: string): readonly string[] | undefined {
    return this.#paths.get(name);
  }

  /** Whether the name means something everywhere in the module. */
  isGlobal(name: string): boolean {
    return this.#paths.has(name) || name === "input" || name === "data";
  }

  /** The document that a `with` of these names replaces. Throws Fault when there is none, or it is a part of a rule's value. */
  replacedDocument(
    names: readonly string[],
    start: number,
  ): { readonly kind: "input" | "data"; readonly path: readonly string[] } {
    const [first = "", ...rest] = names;
    const [kind, ...path] = [...(this.pathOf(first) ?? [first]), ...rest];
    if (kind !== "input" && kind !== "data") {
      throw new Fault("rego_type_error", `"with" can't replace ${names.join(".")}: it is not known`, start);
    }
    const { root } = this.#names.rules;
    if (kind === "data" && path.some((_, length) => groupAt(root, path.slice(0, length)) !== undefined)) {
      const message = `"with" can't replace ${names.join(".")}: it is a part of a rule's value`;
      throw new Fault("rego_compile_error", message, start);
    }
    return { kind, path };
  }

  /** The function that a call calls. Throws Fault when there is none, or when the module must not call it. */
  callee(term: CallTerm, scope: Scope): Callee {
    const callee = this.findCallee(term.operator, scope, term.isInfix);
    if (callee === undefined) {
      const name = term.operator.join(".");
      const hint = isLoadedOnDemand(name)
        ? ": its library was not loaded, as the policy that was there at the start does not name it"
        : "";
      throw new Fault("rego_type_error", `undefined function ${name}${hint}`, term.start);
    }
    if (callee.kind === "builtin") {
      this.#checkBuiltin(callee.builtin, term.start);
    }
    return callee;
  }

  /** The function of this name; `scope` is where it is named, if variables count there. */
  findCallee(operator: readonly string[], scope: Scope | undefined, isInfix: boolean): Callee | undefined {
    const [first = "", ...rest] = operator;
    const isLocal = scope?.find(first) !== undefined;
    const path = this.#paths.get(first) ?? (first === "data" ? ["data"] : undefined);
    if (!isInfix && !isLocal && path?.[0] === "data") {
      const group = groupAt(this.#names.rules.root, [...path.slice(1), ...rest]);
      return group !== undefined && isFunction(group) ? { kind: "function", group } : undefined;
    }
    const builtin = this.#names.builtins.get(operator.join("."));
    return builtin === undefined || isLocal ? undefined : { kind: "builtin", builtin };
  }

  /** The function that the term is the name of, or undefined. */
  functionNamed(term: Term, scope: Scope): Callee | undefined {
    const names = constantPath(term.kind === "reference" ? [term.head, ...term.path] : [term]);
    return names === undefined ? undefined : this.findCallee(names, scope, false);
  }

  /** A constant pattern that is wrong would make its expression undefined, and `not` of it hold: throws Fault instead. */
  checkPattern(callee: Callee, operands: readonly ResolvedTerm[]): void {
    const position = callee.kind === "builtin" ? patternOperands.get(callee.builtin.name) : undefined;
    const pattern = position === undefined ? undefined : operands[position];
    if (this.#names.allowBadPatterns || pattern?.kind !== "constant" || typeof pattern.value !== "string") {
      return;
    }
    try {
      compileRegex(pattern.value);
    } catch (cause) {
      if (!(cause instanceof RegexSyntaxError)) {
        throw cause;
      }
      throw new Fault("rego_compile_error", cause.message, pattern.start);
    }
  }

  #checkBuiltin(builtin: Builtin, offset: number): void {
    if (builtin.deprecated === true && this.#version === "v1") {
      throw new Fault("rego_type_error", `built-in ${builtin.name} is deprecated: v1 does not have it`, offset);
    }
    if (builtin.nondeterministic === true && !this.#names.allowNondeterministic) {
      const message = `built-in ${builtin.name} is not available: decisions depend on policy, state and request alone`;
      throw new Fault("rego_type_error", message, offset);
    }
  }
}

/** Without parameters, `f() := 1` is a complete rule that can be called too. */
function isFunction(group: RuleGroup): boolean {
  return group.kind === "function" || group.rules.some((rule) => rule.tree.parameters !== undefined);
}

/** How many operands the function takes. */
export function arityOf(callee: Callee): number {
  return callee.kind === "builtin" ? callee.builtin.arity : callee.group.arity;
}

/** The names of a path that starts with a name and goes on with constant strings, or undefined. */
export function constantPath([head, ...rest]: readonly Term[]): string[] | undefined {
  if (head?.kind !== "variable") {
    return undefined;
  }
  const names = [head.name];
  for (const part of rest) {
    if (part.kind !== "constant" || typeof part.value !== "string") {
      return undefined;
    }
    names.push(part.value);
  }
  return names;
}

/** The group whose path is exactly this. */
function groupAt(root: DocumentNode, path: readonly string[]): RuleGroup | undefined {
  let node: DocumentNode | undefined = root;
  for (const name of path) {
    node = node?.children.get(name);
  }
  return node?.group;
}
