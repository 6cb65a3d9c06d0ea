/** A loaded policy and its evaluations. */
import { builtins } from "./builtins/index.ts";
import { Program } from "./compile/program.ts";
import type { CodeOptions } from "./compile/unit.ts";
import { RegoEvaluationError, RegoLimitError, RegoLoadError } from "./errors.ts";
import { baseValue, documentValue } from "./evaluate/documents.ts";
import { Evaluation, type World } from "./evaluate/evaluation.ts";
import { Frame } from "./evaluate/frame.ts";
import { operatorBuiltins } from "./evaluate/operators.ts";
import { RegexCache } from "./evaluate/regex-cache.ts";
import { Trace } from "./evaluate/trace.ts";
import { explainAttempts } from "./explain.ts";
import type {
  CompiledPolicy,
  CompileOptions,
  EvaluationRequest,
  EvaluationResult,
  Explanation,
  PolicyModule,
} from "./index.ts";
import type { JsonInput } from "./json-input.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type LoadedPolicy, loadPolicy, planQuery } from "./load.ts";
import { Decimal } from "./number.ts";
import { parseQueryText } from "./syntax/module-parser.ts";
import { Source } from "./syntax/source.ts";
import { fromJson, RegoObject, RegoSet, type Value } from "./value.ts";

const standardBuiltins = new Map([...builtins, ...operatorBuiltins]);

const fast: CodeOptions = { earlyExit: true, folding: true, indexes: true, prints: false, tracing: false };

/**
 * Checks and compiles policy text.
 *
 * Throws RegoLoadError with every fault of every module: syntax, unsafe variables, recursion, conflicting rules,
 * unknown functions and the rest of spec/rego-language.md 2.3.
 */
export function compilePolicy(modules: readonly PolicyModule[], options: CompileOptions = {}): CompiledPolicy {
  const limits = { ...defaultLimits, ...options.limits };
  const table = options.builtins === undefined ? standardBuiltins : new Map([...options.builtins, ...operatorBuiltins]);
  const load = (explains: boolean): LoadedPolicy =>
    guardLoad(modules, () =>
      loadPolicy(modules, {
        version: options.version,
        limits,
        builtins: table,
        allowNondeterministic: options.allowNondeterministic === true,
        allowBadPatterns: options.allowBadPatterns === true,
        explains,
      }),
    );
  return new Policy(load, limits, { ...fast, ...options.optimizations }, options.version ?? "v1");
}

/** Failed attempts that one explanation writes down. */
const maxTracedAttempts = 10_000;

class Policy implements CompiledPolicy {
  readonly #load: (explains: boolean) => LoadedPolicy;
  readonly #loaded: LoadedPolicy;
  readonly #limits: Limits;
  readonly #version: "v0" | "v1";
  readonly #regexes = new RegexCache();
  readonly #options: CodeOptions;
  readonly #program: Program;
  #printing: Program | undefined;
  /** Made at the first explanation, from plans that say more. */
  #tracing: Program | undefined;

  constructor(load: (explains: boolean) => LoadedPolicy, limits: Limits, options: CodeOptions, version: "v0" | "v1") {
    this.#loaded = load(false);
    this.#load = load;
    this.#limits = limits;
    this.#options = options;
    this.#version = version;
    this.#program = new Program(this.#loaded.planned, options);
  }

  evaluate(request: EvaluationRequest): EvaluationResult {
    return guardStack(() => this.#run(this.#program, request, this.#evaluation(request, undefined)));
  }

  prints(request: EvaluationRequest): string[] {
    this.#printing ??= new Program(this.#loaded.planned, { ...this.#options, earlyExit: false, prints: true });
    const program = this.#printing;
    const evaluation = this.#evaluation(request, undefined);
    guardStack(() => this.#run(program, request, evaluation));
    return evaluation.prints;
  }

  explain(request: EvaluationRequest): Explanation {
    this.#tracing ??= new Program(this.#load(true).planned, { ...this.#options, indexes: false, tracing: true });
    const program = this.#tracing;
    const trace = new Trace(maxTracedAttempts);
    const evaluation = this.#evaluation(request, trace);
    const attempts = trace.current;
    try {
      guardStack(() => this.#run(program, request, evaluation));
    } catch (error) {
      // The decision has its own error; what was tried until then explains it as far as possible.
      if (!(error instanceof RegoEvaluationError) && !(error instanceof RegoLimitError)) {
        throw error;
      }
    }
    return explainAttempts(attempts, trace.truncated);
  }

  hasRule(path: string): boolean {
    let node: LoadedPolicy["rules"]["root"] | undefined = this.#loaded.rules.root;
    for (const name of documentPath(path)) {
      node = node?.children.get(name);
    }
    return node?.group !== undefined && node.group.kind !== "function";
  }

  query(text: string, request: Omit<EvaluationRequest, "path">): ReadonlyMap<string, Value>[] {
    return guardStack(() => {
      const { source, body } = parseQueryText(text, this.#version, this.#limits);
      const query = planQuery(this.#loaded, source, body, this.#limits);
      const program =
        query.planned === this.#loaded.planned ? this.#program : new Program(query.planned, this.#options);
      const unit = program.unit(source);
      const columns = query.columns.map(({ name, expression }) => [name, unit.expression(expression)] as const);
      const solutions: ReadonlyMap<string, Value>[] = [];
      const execute = unit.body(query.body, (frame) => {
        const solution = new Map<string, Value>();
        for (const [name, get] of columns) {
          const value = get(frame);
          if (value !== undefined) {
            solution.set(name, value);
          }
        }
        frame.evaluation.chargeOutput(1);
        solutions.push(solution);
        return false;
      });
      execute(new Frame(this.#evaluation(request, undefined), query.frameSize));
      return solutions;
    });
  }

  #run(program: Program, request: EvaluationRequest, evaluation: Evaluation): EvaluationResult {
    const path = documentPath(request.path);
    let node: LoadedPolicy["rules"]["root"] | undefined = program.root;
    for (const name of path) {
      node = node?.children.get(name);
    }
    const value =
      node === undefined ? baseValue(evaluation.world, path) : documentValue(evaluation, path, node, program.ruleValue);
    return value === undefined ? { kind: "undefined" } : { kind: "value", value };
  }

  #evaluation(request: Omit<EvaluationRequest, "path">, trace: Trace | undefined): Evaluation {
    const world: World = {
      input: request.input === undefined ? undefined : toValue(request.input),
      data: request.data === undefined ? new RegoObject() : toValue(request.data),
      replacedPaths: [],
      mocks: undefined,
      memo: [],
    };
    return new Evaluation(world, { ...this.#limits, ...request.limits }, this.#regexes, {
      strict: request.strict === true,
      nowNs: request.nowNs,
      trace,
    });
  }
}

/** A document handed in as JSON data or as a value. */
function toValue(document: Value | JsonInput): Value {
  const isValue = document instanceof RegoObject || document instanceof RegoSet || document instanceof Decimal;
  // What is no value class is plain data; arrays are converted as a whole.
  return isValue ? document : fromJson(document as JsonInput);
}

/** The names of a path such as `data.agent_policy.CopyFileRequest`, without `data`. */
function documentPath(path: string): string[] {
  const [root, ...names] = path.split(".");
  if (root !== "data") {
    throw new RangeError(`a path to evaluate starts with data: ${path}`);
  }
  return names;
}

/** Text that nests so deep that the stack does not suffice is a fault of the policy. */
function guardLoad<T>(modules: readonly PolicyModule[], load: () => T): T {
  try {
    return guardStack(load);
  } catch (cause) {
    if (!(cause instanceof RegoLimitError)) {
      throw cause;
    }
    const message = "rules depend on each other, or terms nest, more deeply than the engine can follow";
    const source = new Source(modules[0]?.name ?? "", "");
    throw new RegoLoadError([source.diagnostic("rego_compile_error", message, 0)]);
  }
}

/** Running out of stack is a limit too: the caller gets an error that it can handle. */
function guardStack<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof RangeError && cause.message.includes("call stack")) {
      throw new RegoLimitError("stack");
    }
    throw cause;
  }
}
