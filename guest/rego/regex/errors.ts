/** What RE2 calls the ways in which a pattern can be wrong; the words are part of what users see. */
export type RegexErrorReason =
  | "invalid character class"
  | "invalid character class range"
  | "invalid escape sequence"
  | "invalid named capture"
  | "invalid or unsupported Perl syntax"
  | "invalid nested repetition operator"
  | "invalid repeat count"
  | "missing closing ]"
  | "missing closing )"
  | "missing argument to repetition operator"
  | "trailing backslash at end of expression"
  | "unexpected )"
  | "expression nests too deeply"
  | "expression too large";

/** Longest part of a pattern that an error shows. */
const maxFragmentLength = 200;

/** A pattern that RE2 would refuse. The message reads as RE2's: "error parsing regexp: missing closing ]: `[a`". */
export class RegexSyntaxError extends Error {
  override readonly name = "RegexSyntaxError";
  readonly reason: RegexErrorReason;

  /** `fragment` is the part of the pattern that the reason is about; a long one is cut. */
  constructor(reason: RegexErrorReason, fragment: string) {
    const shown = fragment.length > maxFragmentLength ? `${fragment.slice(0, maxFragmentLength)}…` : fragment;
    super(`error parsing regexp: ${reason}: \`${shown}\``);
    this.reason = reason;
  }
}

/** A match that would cost more work than the caller allows. Never means "no match". */
export class RegexLimitError extends Error {
  override readonly name = "RegexLimitError";
}
