import type { Ranges } from "./char-class.ts";

/** Conditions on a position, as a bit set, so that several can be tested at once. */
export const Assertion = {
  beginText: 1,
  endText: 2,
  beginLine: 4,
  endLine: 8,
  wordBoundary: 16,
  noWordBoundary: 32,
} as const;

/** What a pattern means, after flags are resolved: case folding is in the classes, laziness in the repeats. */
export type RegexNode =
  | { readonly kind: "empty" }
  | { readonly kind: "literal"; readonly codePoint: number }
  /** Literals in a row: one node, since most of most patterns is plain text. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "class"; readonly ranges: Ranges }
  | { readonly kind: "assertion"; readonly assertion: number }
  | { readonly kind: "concat"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "alternate"; readonly branches: readonly RegexNode[] }
  | {
      readonly kind: "repeat";
      readonly body: RegexNode;
      readonly min: number;
      /** Infinity when unbounded. */
      readonly max: number;
      readonly greedy: boolean;
    }
  | { readonly kind: "capture"; readonly index: number; readonly body: RegexNode };

/** A parsed pattern: its tree, and the name of each capture group (index 0 is the whole match). */
export interface ParsedPattern {
  readonly root: RegexNode;
  readonly groupNames: readonly (string | undefined)[];
}
