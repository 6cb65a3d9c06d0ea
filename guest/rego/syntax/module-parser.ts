/** Modules: package, imports, rules (spec/rego-language.md 2.2). */
import { RegoLoadError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { TokenCursor } from "./cursor.ts";
import { parsePostfix } from "./expression-parser.ts";
import { tokenize } from "./lexer.ts";
import { parseQuery } from "./literal-parser.ts";
import { parseRule } from "./rule-parser.ts";
import { Fault, Source } from "./source.ts";
import type { ImportTree, Literal, ModuleTree, RuleTree, Term } from "./tree.ts";

type Version = "v0" | "v1";

/**
 * Parses one module. Without a version the module decides: v1 if it parses as such, else v0 if it parses as that.
 * Throws RegoLoadError with every syntax fault.
 */
export function parseModule(name: string, text: string, version: Version | undefined, limits: Limits): ModuleTree {
  const source = new Source(name, text);
  if (text.length > limits.maxModuleLength) {
    const message = `module is longer than ${limits.maxModuleLength} characters`;
    throw new RegoLoadError([source.diagnostic("rego_parse_error", message, 0)]);
  }
  const first = new ModuleParser(source, version ?? "v1", limits).parse();
  if (first.faults.length === 0) {
    return first.tree;
  }
  if (version === undefined && !/^\s*import\s+rego\.v1\b/m.test(text)) {
    const second = new ModuleParser(source, "v0", limits).parse();
    if (second.faults.length === 0) {
      return second.tree;
    }
  }
  throw loadError(source, first.faults, limits);
}

/** Parses a query such as `data.p.q = x`. Throws RegoLoadError. */
export function parseQueryText(
  text: string,
  version: Version,
  limits: Limits,
): { source: Source; body: readonly Literal[] } {
  const source = new Source("query", text);
  const faults: Fault[] = [];
  const cursor = new TokenCursor(source, tokenize(source, faults), version, limits);
  cursor.addFutureKeyword(undefined);
  try {
    const body = parseQuery(cursor, "end");
    if (faults.length === 0) {
      return { source, body };
    }
  } catch (fault) {
    if (!(fault instanceof Fault)) {
      throw fault;
    }
    faults.push(fault);
  }
  throw loadError(source, faults, limits);
}

/** All faults of one module as an error, in order of place. */
export function loadError(source: Source, faults: readonly Fault[], limits: Limits): RegoLoadError {
  const ordered = [...faults].sort((a, b) => a.offset - b.offset).slice(0, limits.maxDiagnostics);
  return new RegoLoadError(ordered.map(({ code, message, offset }) => source.diagnostic(code, message, offset)));
}

class ModuleParser {
  readonly #source: Source;
  readonly #faults: Fault[] = [];
  readonly #cursor: TokenCursor;
  readonly #limits: Limits;
  #version: Version;

  constructor(source: Source, version: Version, limits: Limits) {
    this.#source = source;
    this.#version = version;
    this.#limits = limits;
    this.#cursor = new TokenCursor(source, tokenize(source, this.#faults), version, limits);
  }

  parse(): { readonly tree: ModuleTree; readonly faults: readonly Fault[] } {
    let packagePath: readonly string[] = [];
    this.#guarded(() => {
      packagePath = this.#package();
    });
    const imports: ImportTree[] = [];
    const rules: RuleTree[] = [];
    while (!this.#cursor.isAtEnd() && this.#faults.length < this.#limits.maxDiagnostics) {
      this.#guarded(() => this.#statement(imports, rules));
    }
    const tree = { source: this.#source, version: this.#version, packagePath, imports, rules };
    return { tree, faults: this.#faults };
  }

  #guarded(parse: () => void): void {
    try {
      parse();
    } catch (fault) {
      if (!(fault instanceof Fault)) {
        throw fault;
      }
      this.#faults.push(fault);
      this.#cursor.recover();
    }
  }

  #statement(imports: ImportTree[], rules: RuleTree[]): void {
    const cursor = this.#cursor;
    while (cursor.takeSymbol(";")) {
      // Statements may be separated by semicolons too.
    }
    if (cursor.isAtEnd()) {
      return;
    }
    if (cursor.isKeyword("import")) {
      const tree = this.#import();
      if (tree !== undefined) {
        imports.push(tree);
      }
    } else {
      rules.push(...parseRule(cursor, this.#version));
    }
    const { next } = cursor;
    if (this.#version === "v1" && !cursor.isAtEnd() && !next.startsLine && !cursor.isSymbol(";")) {
      throw cursor.unexpected("a new line");
    }
  }

  #package(): readonly string[] {
    const cursor = this.#cursor;
    if (!cursor.takeKeyword("package")) {
      throw cursor.unexpected('"package" at the start of the module');
    }
    return this.#path("a package path of names");
  }

  #import(): ImportTree | undefined {
    const cursor = this.#cursor;
    const { start } = cursor.take();
    const path = this.#path("a path of names to import");
    const alias = cursor.takeKeyword("as") ? cursor.expectName('a name after "as"') : undefined;
    const [root, second] = path;
    if (root === "data" || root === "input") {
      return { path, alias: alias ?? path.at(-1) ?? root, start, end: cursor.previousEnd };
    }
    if (root === "rego" && second === "v1" && path.length === 2) {
      this.#version = "v1";
      cursor.addFutureKeyword(undefined);
    } else if (root !== "future" || second !== "keywords" || path.length > 3 || !cursor.addFutureKeyword(path[2])) {
      throw cursor.fault("an import starts with data or input, or is rego.v1 or one of future.keywords", start);
    }
    return undefined;
  }

  #path(purpose: string): string[] {
    const cursor = this.#cursor;
    const { start } = cursor.next;
    const term: Term = parsePostfix(cursor);
    const terms = term.kind === "reference" ? [term.head, ...term.path] : [term];
    return terms.map((part, index) => {
      if (index === 0 && part.kind === "variable") {
        return part.name;
      }
      if (index > 0 && part.kind === "constant" && typeof part.value === "string") {
        return part.value;
      }
      throw cursor.fault(`expected ${purpose}`, start);
    });
  }
}
