import { certainlySmall } from "./limits.ts";
import type { ParsedPattern, RegexNode } from "./syntax-tree.ts";

/**
 * Whether a pattern's program is within every limit for certain. Says it from the tree alone, so that nothing need be compiled
 * to know that a pattern is valid.
 */
export function isCertainlySmall({ root, groupNames }: ParsedPattern): boolean {
  if (groupNames.length > certainlySmall.groups) return false;
  const { cost, ranges } = measure(root);
  return cost <= certainlySmall.cost && ranges <= certainlySmall.ranges;
}

/** Upper bounds of a program's cost, as the compiler counts it, and of the ranges of its classes. */
interface Size {
  readonly cost: number;
  readonly ranges: number;
}

function measure(node: RegexNode): Size {
  switch (node.kind) {
    case "empty":
      return { cost: 0, ranges: 0 };
    case "literal":
      return { cost: 2, ranges: 1 };
    case "text":
      return { cost: 2 * node.text.length, ranges: node.text.length };
    case "class":
      return { cost: 1 + node.ranges.length, ranges: node.ranges.length };
    case "assertion":
      return { cost: 1, ranges: 0 };
    case "concat":
      return total(node.parts, 0);
    case "alternate":
      return total(node.branches, node.branches.length);
    case "capture":
      return total([node.body], 2);
    case "repeat": {
      const { cost, ranges } = measure(node.body);
      const copies = Math.max(node.max === Number.POSITIVE_INFINITY ? node.min : node.max, 1);
      // A fork for each copy, and two around a loop.
      return { cost: copies * (cost + 1) + 2, ranges };
    }
  }
}

function total(nodes: readonly RegexNode[], own: number): Size {
  let cost = own;
  let ranges = 0;
  for (const node of nodes) {
    const size = measure(node);
    cost += size.cost;
    ranges += size.ranges;
  }
  return { cost, ranges };
}
