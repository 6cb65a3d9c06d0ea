/** walk: a relation, not a function. It has every part of a document as a result, with its path. */
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { maxDocumentDepth } from "./limits.ts";
import { valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

function* walk(context: BuiltinContext, value: Value, path: readonly Value[]): Iterable<Value> {
  if (path.length > maxDocumentDepth) throw valueError("walk", "document nests too deeply");
  context.chargeOutput(path.length + 2);
  yield [path, value];
  for (const [key, part] of partsOf(value)) yield* walk(context, part, [...path, key]);
}

function* partsOf(value: Value): Iterable<[Value, Value]> {
  if (isArray(value)) yield* value.entries();
  else if (value instanceof RegoObject) yield* value.entries();
  else if (value instanceof RegoSet) for (const member of value) yield [member, member];
}

export const walkBuiltins: readonly Builtin[] = [
  {
    name: "walk",
    arity: 1,
    evaluate: () => undefined,
    enumerate: (context, document = null) => walk(context, document, []),
  },
];
