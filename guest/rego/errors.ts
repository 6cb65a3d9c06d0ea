/** Everything the engine throws. */

/** OPA's codes for what can be wrong with policy text. */
export type DiagnosticCode =
  | "rego_parse_error"
  | "rego_compile_error"
  | "rego_unsafe_var_error"
  | "rego_recursion_error"
  | "rego_type_error";

/** One fault of a module, with the place it is at. */
export interface Diagnostic {
  readonly code: DiagnosticCode;
  /** What is wrong and what to do about it, one sentence. */
  readonly message: string;
  /** Name of the module as given to `compilePolicy`. */
  readonly file: string;
  /** Counted from 1; columns in code points. */
  readonly line: number;
  readonly column: number;
  /** The line of text that the fault is in, and below it a caret under the column. Long lines are cut around the fault. */
  readonly excerpt: string;
}

/** A diagnostic as text: `file:line:column: code: message`, then the line and the caret. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, code, message, excerpt } = diagnostic;
  return `${file}:${line}:${column}: ${code}: ${message}\n${excerpt}`;
}

/** The policy text can't be used. Has every fault that was found, in order of place. */
export class RegoLoadError extends Error {
  override readonly name = "RegoLoadError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const [first] = diagnostics;
    const rest = diagnostics.length > 1 ? ` (and ${diagnostics.length - 1} more)` : "";
    super(first === undefined ? "the policy can't be loaded" : `${first.file}:${first.line}: ${first.message}${rest}`);
    this.diagnostics = diagnostics;
  }
}

/** OPA's codes for what can go wrong while a policy is evaluated. */
export type EvaluationErrorCode =
  | "eval_conflict_error"
  | "eval_type_error"
  | "eval_builtin_error"
  | "eval_with_merge_error"
  | "eval_internal_error";

/** The policy has no answer: two different values for one rule or key, or in strict mode a built-in error. */
export class RegoEvaluationError extends Error {
  override readonly name = "RegoEvaluationError";
  readonly code: EvaluationErrorCode;
  /** Module and line of the expression or rule. */
  readonly file: string;
  readonly line: number;

  constructor(code: EvaluationErrorCode, message: string, file: string, line: number, options?: ErrorOptions) {
    super(`${file}:${line}: ${code}: ${message}`, options);
    this.code = code;
    this.file = file;
    this.line = line;
  }
}

/** An evaluation used up its budget. The decision is unknown, so the caller denies. */
export class RegoLimitError extends Error {
  override readonly name = "RegoLimitError";
  /** Which entry of `Limits`; or the stack, or the steps of one match. */
  readonly limit: string;

  constructor(limit: string, maximum?: number) {
    super(`evaluation stopped: ${limit} ${maximum === undefined ? "exceeded" : `is more than ${maximum}`}`);
    this.limit = limit;
  }
}
