import { Assertion, type RegexNode } from "./syntax-tree.ts";

/** What can be known of all matches of a pattern without running it. */
export interface LiteralPlan {
  /** Matches begin at the beginning of the text only. */
  readonly anchored: boolean;
  /** The text that every match starts with. */
  readonly prefix: string;
  /** What the pattern requires after the prefix: nothing, the end of the text, or more. */
  readonly rest: "nothing" | "end" | "more";
}

/** Finds the fast way for patterns such as `^/run/x$`, `^/run/x[0-9]+$` and `foo`. */
export function planLiterals(root: RegexNode): LiteralPlan {
  const parts = flatten(root);
  const first = parts[0];
  const startsAnchored = first?.kind === "assertion" && first.assertion === Assertion.beginText;
  let next = startsAnchored ? 1 : 0;
  let prefix = "";
  for (let part = parts[next]; part?.kind === "literal"; part = parts[++next]) {
    prefix += String.fromCodePoint(part.codePoint);
  }
  return { anchored: startsAnchored || isAnchored(root), prefix, rest: restOf(parts.slice(next)) };
}

function restOf(parts: readonly RegexNode[]): LiteralPlan["rest"] {
  const [first] = parts;
  if (first === undefined) return "nothing";
  return parts.length === 1 && first.kind === "assertion" && first.assertion === Assertion.endText ? "end" : "more";
}

/** The sequence that a pattern is, with groups around the whole or around literals opened. */
function flatten(node: RegexNode): readonly RegexNode[] {
  switch (node.kind) {
    case "concat":
      return node.parts.flatMap(flatten);
    case "capture":
      return flatten(node.body);
    case "empty":
      return [];
    default:
      return [node];
  }
}

function isAnchored(node: RegexNode): boolean {
  switch (node.kind) {
    case "assertion":
      return node.assertion === Assertion.beginText;
    case "concat":
      return node.parts.some((part) => part.kind !== "repeat" && isAnchored(part));
    case "alternate":
      return node.branches.every(isAnchored);
    case "capture":
      return isAnchored(node.body);
    case "repeat":
      return node.min > 0 && isAnchored(node.body);
    default:
      return false;
  }
}
