import { indexOfText } from "../text-search.ts";
import { Assertion, type RegexNode } from "./syntax-tree.ts";

/** What can be known of all matches of a pattern without running it. */
export interface LiteralPlan {
  /** Matches begin at the beginning of the text only. */
  readonly anchored: boolean;
  /** The text that every match starts with. */
  readonly prefix: string;
  /** What the pattern requires after the prefix: nothing, the end of the text, or more. */
  readonly rest: "nothing" | "end" | "more";
  /** Texts that every match has after the prefix, in this order and without overlap. */
  readonly literals: readonly string[];
  /** The text that every match ends with, at the end of the subject; "" if there is none. */
  readonly suffix: string;
}

/** Finds the fast way for patterns such as `^/run/x$`, `^/run/x[0-9]+$`, `^[A-Z]+_PORT=[0-9]+$` and `foo`. */
export function planLiterals(root: RegexNode): LiteralPlan {
  const parts: RegexNode[] = [];
  flatten(root, parts);
  const first = parts[0];
  const startsAnchored = first?.kind === "assertion" && first.assertion === Assertion.beginText;
  const last = parts.at(-1);
  const endsAnchored = last?.kind === "assertion" && last.assertion === Assertion.endText;
  const inner = parts.slice(startsAnchored ? 1 : 0, endsAnchored ? -1 : undefined);
  const prefixEnd = inner.findIndex((part) => textOf(part) === undefined);
  const prefix = inner
    .slice(0, prefixEnd < 0 ? undefined : prefixEnd)
    .map(textOf)
    .join("");
  const literals = prefixEnd < 0 ? [] : literalRuns(inner.slice(prefixEnd));
  const lastInner = inner.at(-1);
  const endsLiteral = endsAnchored && lastInner !== undefined && textOf(lastInner) !== undefined;
  const suffix = endsLiteral ? (literals.pop() ?? "") : "";
  return {
    anchored: startsAnchored || isAnchored(root),
    prefix,
    rest: prefixEnd >= 0 ? "more" : endsAnchored ? "end" : "nothing",
    literals,
    suffix,
  };
}

/** Whether the subject has what every match has, if matches start at `from` or later. */
export function hasLiterals({ prefix, literals, suffix }: LiteralPlan, subject: string, from: number): boolean {
  let position = from + prefix.length;
  for (const literal of literals) {
    const found = indexOfText(subject, literal, position);
    if (found < 0) return false;
    position = found + literal.length;
  }
  return subject.length - suffix.length >= position && subject.endsWith(suffix);
}

/** The texts of literals that follow each other. */
function literalRuns(parts: readonly RegexNode[]): string[] {
  const runs: string[] = [];
  let run = "";
  for (const part of parts) {
    const text = textOf(part);
    if (text !== undefined) {
      run += text;
    } else if (run !== "") {
      runs.push(run);
      run = "";
    }
  }
  if (run !== "") runs.push(run);
  return runs;
}

/** The text that a literal node stands for; undefined for other nodes. */
function textOf(node: RegexNode): string | undefined {
  if (node.kind === "text") return node.text;
  return node.kind === "literal" ? String.fromCodePoint(node.codePoint) : undefined;
}

/** Adds the sequence that a pattern is, with groups around the whole or around literals opened. */
function flatten(node: RegexNode, parts: RegexNode[]): void {
  switch (node.kind) {
    case "concat":
      for (const part of node.parts) flatten(part, parts);
      return;
    case "capture":
      flatten(node.body, parts);
      return;
    case "empty":
      return;
    default:
      parts.push(node);
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
