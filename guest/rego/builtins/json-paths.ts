/** json.filter and json.remove: parts of a document named by paths. */
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { builtin, members, object, operandError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

/** Paths as a tree: a member for each segment; null where a path ends. */
type PathTree = RegoObject | null;

/**
 * The segments of a path: text with `/` between them (`~1` for a slash, `~0` for a tilde), or an array of keys.
 * Undefined for any other value.
 */
export function pathSegments(path: Value): readonly Value[] | undefined {
  if (isArray(path)) return path;
  if (typeof path !== "string") return undefined;
  if (path === "") return [];
  const parts = path.replace(/^\/+/, "").split("/");
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function pathTree(name: string, context: BuiltinContext, paths: readonly Value[]): RegoObject {
  const root = new RegoObject();
  for (const path of paths) {
    const segments = pathSegments(path);
    if (segments === undefined) {
      throw operandError(name, 2, "one of {set, array} containing string paths or array of path segments", path);
    }
    context.charge(segments.length);
    addPath(root, segments);
  }
  return root;
}

function addPath(root: RegoObject, segments: readonly Value[]): void {
  let node = root;
  for (const [index, segment] of segments.entries()) {
    const child = node.get(segment);
    // A shorter path that ends here covers this one.
    if (child === null) return;
    if (index === segments.length - 1) node.set(segment, null);
    else if (child instanceof RegoObject) node = child;
    else {
      const next = new RegoObject();
      node.set(segment, next);
      node = next;
    }
  }
}

function subtree(tree: RegoObject, key: Value): PathTree | undefined {
  const child = tree.get(key);
  return child === null || child instanceof RegoObject ? child : undefined;
}

/** What the tree says of each part of a value; a part whose answer is undefined is left out. */
function mapParts(
  context: BuiltinContext,
  value: Value,
  tree: RegoObject,
  map: (part: Value, subtree: PathTree | undefined) => Value | undefined,
): Value {
  if (value instanceof RegoObject) {
    context.chargeOutput(value.size);
    const kept = new RegoObject();
    for (const [key, part] of value) {
      const mapped = map(part, subtree(tree, key));
      if (mapped !== undefined) kept.set(key, mapped);
    }
    return kept;
  }
  if (value instanceof RegoSet) {
    context.chargeOutput(value.size);
    const kept = value.values().map((part) => map(part, subtree(tree, part)));
    return RegoSet.from(kept.filter((part) => part !== undefined));
  }
  if (isArray(value)) {
    context.chargeOutput(value.length);
    const kept = value.map((part, index) => map(part, subtree(tree, String(index))));
    return kept.filter((part) => part !== undefined);
  }
  return value;
}

function remove(context: BuiltinContext, value: Value, tree: RegoObject): Value {
  return mapParts(context, value, tree, (part, below) => {
    if (below === undefined) return part;
    return below === null ? undefined : remove(context, part, below);
  });
}

function filter(context: BuiltinContext, value: Value, tree: RegoObject): Value {
  return mapParts(context, value, tree, (part, below) => {
    if (below === undefined) return undefined;
    return below === null ? part : filter(context, part, below);
  });
}

export const jsonPathBuiltins: readonly Builtin[] = [
  builtin("json.remove", [object, members], (context, document, paths) =>
    remove(context, document, pathTree("json.remove", context, paths)),
  ),
  builtin("json.filter", [object, members], (context, document, paths) =>
    filter(context, document, pathTree("json.filter", context, paths)),
  ),
];
