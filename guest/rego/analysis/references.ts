/** References as resolved terms. */
import type { Span } from "../syntax/source.ts";
import type { ResolvedTerm } from "./resolved.ts";

/** The document at a path that starts with `data` or `input`. */
export function globalReference([root, ...rest]: readonly string[], { start, end }: Span): ResolvedTerm {
  const head = { kind: root === "input" ? "input" : "data", start, end } as const;
  const path = rest.map((value) => ({ kind: "constant", value, start, end }) as const);
  return path.length === 0 ? head : { kind: "reference", head, path, start, end };
}

/** A reference into what a name stands for, which may be a reference itself. */
export function reference(head: ResolvedTerm, path: readonly ResolvedTerm[], { start, end }: Span): ResolvedTerm {
  return head.kind === "reference"
    ? { kind: "reference", head: head.head, path: [...head.path, ...path], start, end }
    : { kind: "reference", head, path, start, end };
}
