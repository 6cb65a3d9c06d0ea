/** Regular expressions in RE2's dialect, in linear time. */
export { RegexLimitError, RegexSyntaxError } from "./errors.ts";
export { type CompiledRegex, compileRegex } from "./regex.ts";
export { StepCounter } from "./step-counter.ts";
