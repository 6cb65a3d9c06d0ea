/** What a built-in function is, to the compiler and to whoever writes one. */
import type { CompiledRegex } from "../regex/index.ts";
import type { Value } from "../value.ts";

/** What a built-in may use beside its operands. */
export interface BuiltinContext {
  /**
   * Charges so many steps to the evaluation's budget; throws RegoLimitError when it is used up. A built-in charges
   * for what its caller can't see: about one step for each 64 characters or each element it touches. One step for the
   * call itself has been charged.
   */
  charge(steps: number): void;
  /** Charges the size of a result before it is built: one for an element, one for each 64 characters. Throws RegoLimitError. */
  chargeOutput(units: number): void;
  /** Compiles a pattern of RE2's dialect, or takes it from the policy's bounded cache. Throws BuiltinError for a bad one. */
  regex(pattern: string): CompiledRegex;
  /** Nanoseconds since 1970, the same throughout one evaluation; undefined where decisions must not depend on a clock. */
  readonly nowNs: bigint | undefined;
  /** Values that have to stay the same throughout one evaluation (uuid.rfc4122, rand.intn), by a key of the built-in's own. */
  readonly memo: Map<string, Value>;
}

/**
 * One built-in function.
 *
 * `evaluate` gets as many operands as `arity` says, all defined, of any type: it checks them. It returns the result,
 * or undefined for "no result". It throws BuiltinError for what OPA calls a built-in error: the expression is
 * then undefined, or in strict mode the evaluation fails. Any other exception is a bug in the engine.
 */
export interface Builtin {
  /** The full name, such as `regex.match`. */
  readonly name: string;
  /** Number of operands. */
  readonly arity: number;
  readonly evaluate: (context: BuiltinContext, ...operands: Value[]) => Value | undefined;
  /**
   * For relations such as `walk`: every result, one after the other, instead of `evaluate`'s single one.
   * `evaluate` is not called when this is there.
   */
  readonly enumerate?: (context: BuiltinContext, ...operands: Value[]) => Iterable<Value>;
  /** The result depends on more than the operands (time, chance, network): refused at load unless the embedder allows it. */
  readonly nondeterministic?: boolean;
  /** Callable from v0 modules only. */
  readonly deprecated?: boolean;
}

/** OPA's two kinds of failing built-ins: an operand of the wrong type, or an operand that makes no sense. */
export type BuiltinErrorCode = "eval_type_error" | "eval_builtin_error";

/** What a built-in throws when its operands have no result. The message names the built-in: `to_number: invalid syntax`. */
export class BuiltinError extends Error {
  override readonly name = "BuiltinError";
  readonly code: BuiltinErrorCode;

  constructor(code: BuiltinErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
