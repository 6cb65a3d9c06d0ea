/** yaml.marshal, yaml.unmarshal and yaml.is_valid, on the `yaml` package. */
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument, stringify } from "yaml";
import { toJson } from "../json.ts";
import { fromDouble, integer, NumberError, parseNumber } from "../number.ts";
import { RegoObject, type Value } from "../value.ts";
import { maxDocumentDepth, maxParsedTextLength } from "./limits.ts";
import { any, builtin, chargeText, string, valueError } from "./operands.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "./types.ts";

/** Reads one document. Anchors are resolved as they are met and every copy is charged, so that they can't multiply. */
function unmarshal(context: BuiltinContext, text: string): Value {
  if (text.length > maxParsedTextLength) throw failure("text is too long");
  context.chargeOutput(text.length);
  const document = parse(text);
  if (document.errors.length > 0) throw failure(document.errors[0]?.code ?? "malformed document");
  const anchors = new Map<string, Node>();
  return nodeToValue(context, document.contents, anchors, 0);
}

function parse(text: string) {
  try {
    return parseDocument(text, { schema: "core", intAsBigInt: true, merge: true, logLevel: "silent" });
  } catch (cause) {
    // The library recurses: a text of brackets only exhausts its stack, which leaves nothing behind.
    if (cause instanceof RangeError) throw failure("document nests too deeply");
    throw cause;
  }
}

function failure(reason: string): BuiltinError {
  return valueError("yaml.unmarshal", reason);
}

function nodeToValue(context: BuiltinContext, node: unknown, anchors: Map<string, Node>, depth: number): Value {
  if (depth > maxDocumentDepth) throw failure("document nests too deeply");
  context.chargeOutput(1);
  if (isAlias(node)) {
    const target = anchors.get(node.source);
    if (target === undefined) throw failure("alias without an anchor");
    return nodeToValue(context, target, anchors, depth + 1);
  }
  if (isScalar(node)) return registered(node, anchors, scalarToValue(node.value, node.source));
  if (isSeq(node)) {
    const items = node.items.map((item) => nodeToValue(context, item, anchors, depth + 1));
    return registered(node, anchors, items);
  }
  if (isMap(node)) {
    const members = node.items.map((pair) => pairToMember(context, pair, anchors, depth + 1));
    return registered(node, anchors, RegoObject.from(members));
  }
  return null;
}

/** An anchor can be used once its node is complete: it can't contain itself. */
function registered(node: Node & { anchor?: string | undefined }, anchors: Map<string, Node>, value: Value): Value {
  if (node.anchor !== undefined) anchors.set(node.anchor, node);
  return value;
}

function pairToMember(context: BuiltinContext, pair: Pair, anchors: Map<string, Node>, depth: number): [Value, Value] {
  const key = nodeToValue(context, pair.key, anchors, depth);
  const value = nodeToValue(context, pair.value, anchors, depth);
  if (typeof key === "string") return [key, value];
  // YAML's scalars as keys become JSON's, which are texts.
  if (isScalar(pair.key) && key !== null) return [pair.key.source ?? String(pair.key.value), value];
  throw failure("key is not a scalar");
}

function scalarToValue(value: unknown, source: string | undefined): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return integer(value);
  if (typeof value !== "number") return source ?? "";
  try {
    return parseNumber(source ?? "") ?? fromDouble(value);
  } catch (cause) {
    if (cause instanceof NumberError) throw failure(cause.message);
    throw cause;
  }
}

export const yamlBuiltins: readonly Builtin[] = [
  builtin("yaml.unmarshal", [string], unmarshal),
  builtin("yaml.is_valid", [any], (context, text) => {
    if (typeof text !== "string") return false;
    try {
      unmarshal(context, text);
      return true;
    } catch (cause) {
      if (cause instanceof BuiltinError) return false;
      throw cause;
    }
  }),
  builtin("yaml.marshal", [any], (context, value) => {
    const text = stringify(toJson(value), { aliasDuplicateObjects: false, lineWidth: 0 });
    chargeText(context, text.length);
    return text;
  }),
];
