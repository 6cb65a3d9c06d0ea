/** Ceilings of the engine. A policy, a query or an input that passes one is refused with a clear error; nothing grows without end. */
export interface Limits {
  /** Units of work of one evaluation. A literal, an element of a loop and a rule cost one each; built-ins charge by the size of what they touch. */
  readonly maxSteps: number;
  /** Nested rule and function calls of one evaluation. */
  readonly maxCallDepth: number;
  /** Elements that one evaluation may put into new arrays, sets, objects, and (divided by 64) characters into new strings. */
  readonly maxOutput: number;
  /** Nesting of brackets, bodies and operators in policy text. */
  readonly maxNesting: number;
  /** Parts of one reference, and operands of one chain of operators. */
  readonly maxChain: number;
  /** Length of one module in UTF-16 units. */
  readonly maxModuleLength: number;
  /** Nesting of arrays and objects in an input, a data document or a JSON text. */
  readonly maxValueDepth: number;
  /** Errors reported for one load. */
  readonly maxDiagnostics: number;
  /** Characters of all prints of one evaluation. */
  readonly maxPrintLength: number;
}

/** Is told of work that its caller can't see; throws when there is too much of it. */
export interface Budget {
  charge(steps: number): void;
}

/** The limits of the guest. Sizes follow what the reference's engine accepts (spec/rego-language.md 1, 6.1). */
export const defaultLimits: Limits = {
  maxSteps: 20_000_000,
  maxCallDepth: 512,
  maxOutput: 4_000_000,
  maxNesting: 64,
  maxChain: 1000,
  maxModuleLength: 16 * 1024 * 1024,
  maxValueDepth: 128,
  maxDiagnostics: 50,
  maxPrintLength: 1024 * 1024,
};

/** Digits that a number may have, written out. Larger ones are refused where they are read or computed. */
export const maxNumberDigits = 4096;
