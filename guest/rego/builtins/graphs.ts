/** graph.*: graphs given as objects from a node to its neighbours. */
import { isArray, type RegoObject, RegoSet, type Value } from "../value.ts";
import { builtin, members, object } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

function neighboursOf(graph: RegoObject, node: Value): readonly Value[] | undefined {
  const neighbours = graph.get(node);
  if (neighbours === undefined) return undefined;
  if (neighbours instanceof RegoSet) return neighbours.values();
  return isArray(neighbours) ? neighbours : [];
}

function reachable(context: BuiltinContext, graph: RegoObject, initial: readonly Value[]): RegoSet {
  const reached = new RegoSet();
  const queue = [...initial];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    const neighbours = neighboursOf(graph, node);
    if (neighbours === undefined || reached.has(node)) continue;
    context.chargeOutput(1 + neighbours.length);
    reached.add(node);
    for (const neighbour of neighbours) if (!reached.has(neighbour)) queue.push(neighbour);
  }
  return reached;
}

/** All paths that can't be made longer: they end at a node without neighbours, or before a node would come twice. */
function reachablePaths(context: BuiltinContext, graph: RegoObject, initial: readonly Value[]): RegoSet {
  const paths = new RegoSet();
  // Depth first with paths of their own instead of recursion; the budget bounds their number and length.
  const stack: (readonly Value[])[] = initial.filter((node) => graph.has(node)).map((node) => [node]);
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    context.chargeOutput(path.length);
    const visited = RegoSet.from(path);
    const neighbours = neighboursOf(graph, path.at(-1) ?? null) ?? [];
    const onward = neighbours.filter((node) => graph.has(node) && !visited.has(node));
    if (onward.length < neighbours.length || neighbours.length === 0) paths.add(path);
    for (const node of onward) stack.push([...path, node]);
  }
  return paths;
}

export const graphBuiltins: readonly Builtin[] = [
  builtin("graph.reachable", [object, members], reachable),
  builtin("graph.reachable_paths", [object, members], reachablePaths),
];
