/** Compiled patterns, kept from one evaluation to the next. */
import { BuiltinError } from "../builtins/types.ts";
import { type CompiledRegex, compileRegex, RegexSyntaxError, type StepCounter } from "../regex/index.ts";

/** A bounded cache of patterns by their text: the oldest goes when it is full. Bad patterns are remembered too. */
export class RegexCache {
  readonly #compiled = new Map<string, CompiledRegex | RegexSyntaxError>();
  readonly #maxPatterns: number;
  readonly #maxLength: number;
  #length = 0;

  constructor(maxPatterns = 512, maxLength = 1024 * 1024) {
    this.#maxPatterns = maxPatterns;
    this.#maxLength = maxLength;
  }

  /**
   * The compiled pattern; `steps` is told what it cost to compile. Throws BuiltinError with RE2's own words for a bad one, and
   * RegexLimitError.
   */
  compile(pattern: string, steps: StepCounter): CompiledRegex {
    let compiled = this.#compiled.get(pattern);
    if (compiled === undefined) {
      compiled = compileOrError(pattern, steps);
      this.#add(pattern, compiled);
    }
    if (compiled instanceof RegexSyntaxError) {
      throw new BuiltinError("eval_builtin_error", compiled.message, { cause: compiled });
    }
    return compiled;
  }

  #add(pattern: string, compiled: CompiledRegex | RegexSyntaxError): void {
    this.#compiled.set(pattern, compiled);
    this.#length += pattern.length;
    while (this.#compiled.size > this.#maxPatterns || this.#length > this.#maxLength) {
      const [oldest] = this.#compiled.keys();
      if (oldest === undefined) {
        return;
      }
      this.#compiled.delete(oldest);
      this.#length -= oldest.length;
    }
  }
}

function compileOrError(pattern: string, steps: StepCounter): CompiledRegex | RegexSyntaxError {
  try {
    return compileRegex(pattern, steps);
  } catch (cause) {
    if (cause instanceof RegexSyntaxError) {
      return cause;
    }
    throw cause;
  }
}
