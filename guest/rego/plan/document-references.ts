/** References into `data`: which rules, packages or base data they reach. */
import type { Callee, ResolvedTerm } from "../analysis/resolved.ts";
import type { DocumentNode } from "../analysis/rule-groups.ts";
import type { Dependencies, Expression } from "./plan.ts";

/** Resolves references into `data`, and notes what a rule depends on. */
export class DocumentReferences {
  readonly #root: DocumentNode;
  readonly #dependencies: Dependencies;

  /** `dependencies` are added to. */
  constructor(root: DocumentNode, dependencies: Dependencies) {
    this.#root = root;
    this.#dependencies = dependencies;
  }

  /** Follows the constant start of a path below `data` to a rule, a package or base data. */
  at(path: readonly ResolvedTerm[]): { base: Expression; used: number } {
    let node: DocumentNode | undefined = this.#root;
    const names: string[] = [];
    for (const [used, part] of path.entries()) {
      if (node?.group !== undefined && node.group.kind !== "function") {
        this.#dependencies.groups.add(node.group);
        return { base: { kind: "rule", group: node.group }, used };
      }
      const isText = part.kind === "constant" && (typeof part.value === "string" || typeof part.value === "number");
      if (!isText) {
        return { base: this.document(names, node, path.slice(used)), used };
      }
      // OPA turns numbers into text in paths of base data.
      names.push(String(part.value));
      node = node?.children.get(String(part.value));
    }
    if (node?.group !== undefined && node.group.kind !== "function") {
      this.#dependencies.groups.add(node.group);
      return { base: { kind: "rule", group: node.group }, used: path.length };
    }
    return { base: this.document(names, node, []), used: path.length };
  }

  /** `rest` is what of the reference follows: rules that it can't reach are no dependencies. */
  document(path: readonly string[], node: DocumentNode | undefined, rest: readonly ResolvedTerm[]): Expression {
    this.#dependencies.readsBaseData = true;
    if (node !== undefined) {
      this.#dependOnDocument(node, rest);
    }
    return { kind: "document", path, node };
  }

  #dependOnDocument(node: DocumentNode, rest: readonly ResolvedTerm[]): void {
    if (node.group !== undefined) {
      if (node.group.kind !== "function") {
        this.#dependencies.groups.add(node.group);
      }
      return;
    }
    const [key, ...after] = rest;
    for (const [name, child] of node.children) {
      if (key === undefined || key.kind !== "constant" || key.value === name) {
        this.#dependOnDocument(child, after);
      }
    }
  }

  /** Notes that the function is called. */
  dependOnCallee(callee: Callee): void {
    if (callee.kind === "builtin") {
      this.#dependencies.builtins.add(callee.builtin);
    } else {
      this.#dependencies.groups.add(callee.group);
    }
  }

  /** All of `data`. */
  whole(): Expression {
    return this.document([], this.#root, []);
  }

  /** Notes that the input is read. */
  input(): Expression {
    this.#dependencies.readsInput = true;
    return { kind: "input" };
  }
}
