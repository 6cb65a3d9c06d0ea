/** JSON Patch (RFC 6902) on values. Nothing is changed in place: a patch that fails half way leaves no trace. */
import { equal, isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { pathSegments } from "./json-paths.ts";
import { any, array, builtin, valueError } from "./operands.ts";
import type { Builtin } from "./types.ts";

/** An operation that is malformed or does not fit the document. */
export class JsonPatchError extends Error {
  override readonly name = "JsonPatchError";
}

/**
 * Applies the operations (objects with `op`, `path`, `value`, `from`) in order and returns the new document.
 * Paths are JSON Pointers or arrays of keys. Beyond the RFC, members of sets can be named by their value.
 * Throws JsonPatchError if any operation can't be applied, `test` included. `charge` is told of every element copied.
 */
export function applyPatch(
  document: Value,
  operations: readonly Value[],
  charge: (elements: number) => void = () => {},
): Value {
  let patched: Value | undefined = document;
  for (const operation of operations) patched = applyOperation(patched, operation, charge);
  if (patched === undefined) throw new JsonPatchError("the whole document is removed");
  return patched;
}

type Charge = (elements: number) => void;

/** Between operations there may be no document: its root can be removed and added again. */
function applyOperation(document: Value | undefined, operation: Value, charge: Charge): Value | undefined {
  if (!(operation instanceof RegoObject)) throw new JsonPatchError("operation is not an object");
  const path = segmentsOf(operation, "path");
  if (document === undefined) {
    if (operation.get("op") !== "add" || path.length > 0) throw new JsonPatchError("the whole document is removed");
    return required(operation, "value");
  }
  switch (operation.get("op")) {
    case "add":
      return add(document, path, required(operation, "value"), charge);
    case "remove":
      return path.length === 0 ? undefined : remove(document, path, charge);
    case "replace":
      return replace(document, path, required(operation, "value"), charge);
    case "move": {
      const from = segmentsOf(operation, "from");
      return add(remove(document, from, charge), path, lookUp(document, from), charge);
    }
    case "copy":
      return add(document, path, lookUp(document, segmentsOf(operation, "from")), charge);
    case "test":
      if (!equal(lookUp(document, path), required(operation, "value"))) throw new JsonPatchError("test failed");
      return document;
    default:
      throw new JsonPatchError("unknown operation");
  }
}

function required(operation: RegoObject, name: string): Value {
  const value = operation.get(name);
  if (value === undefined) throw new JsonPatchError(`missing required attribute '${name}'`);
  return value;
}

function segmentsOf(operation: RegoObject, name: string): readonly Value[] {
  const path = required(operation, name);
  const segments = pathSegments(path);
  if (segments === undefined) throw new JsonPatchError(`attribute '${name}' must be a string or an array`);
  return segments;
}

/** What to do with the innermost container; it gets the container and the last segment. */
type Edit = (container: Value, key: Value) => Value;

/** Copies the containers along the path, and edits the innermost. */
function editAt(document: Value, path: readonly Value[], depth: number, charge: Charge, edit: Edit): Value {
  const key = path[depth] ?? null;
  if (depth === path.length - 1) {
    charge(sizeOf(document));
    return edit(document, key);
  }
  const child = memberOf(document, key);
  if (child === undefined) throw missing(key);
  const edited = editAt(child, path, depth + 1, charge, edit);
  charge(sizeOf(document));
  if (document instanceof RegoSet) return withMember(withoutMember(document, key), edited, edited);
  return isArray(document)
    ? document.with(arrayIndex(key, document.length - 1), edited)
    : withMember(document, key, edited);
}

function sizeOf(value: Value): number {
  if (isArray(value)) return value.length;
  return value instanceof RegoObject || value instanceof RegoSet ? value.size : 0;
}

function add(document: Value, path: readonly Value[], value: Value, charge: Charge): Value {
  if (path.length === 0) return value;
  return editAt(document, path, 0, charge, (container, key) => withMember(container, key, value));
}

function remove(document: Value, path: readonly Value[], charge: Charge): Value {
  if (path.length === 0) throw new JsonPatchError("can't remove the whole document");
  return editAt(document, path, 0, charge, withoutMember);
}

function replace(document: Value, path: readonly Value[], value: Value, charge: Charge): Value {
  if (path.length === 0) return value;
  return editAt(document, path, 0, charge, (container, key) => {
    if (memberOf(container, key) === undefined) throw missing(key);
    if (isArray(container)) return container.with(arrayIndex(key, container.length - 1), value);
    const rest = container instanceof RegoSet ? withoutMember(container, key) : container;
    return withMember(rest, container instanceof RegoSet ? value : key, value);
  });
}

function lookUp(document: Value, path: readonly Value[]): Value {
  let value = document;
  for (const key of path) {
    const member = memberOf(value, key);
    if (member === undefined) throw missing(key);
    value = member;
  }
  return value;
}

function memberOf(container: Value, key: Value): Value | undefined {
  if (container instanceof RegoObject) return container.get(key);
  if (container instanceof RegoSet) return container.has(key) ? key : undefined;
  return isArray(container) ? container[arrayIndex(key, container.length - 1)] : undefined;
}

/** The container with a member added; in an object it replaces the one with this key, in an array it is inserted. */
function withMember(container: Value, key: Value, value: Value): Value {
  if (container instanceof RegoObject) {
    const copy = RegoObject.from(container);
    copy.set(key, value);
    return copy;
  }
  if (container instanceof RegoSet) {
    if (!equal(key, value)) throw new JsonPatchError("a member of a set is its own key");
    return RegoSet.from([...container, value]);
  }
  if (!isArray(container)) throw missing(key);
  return container.toSpliced(key === "-" ? container.length : arrayIndex(key, container.length), 0, value);
}

function withoutMember(container: Value, key: Value): Value {
  if (memberOf(container, key) === undefined) throw missing(key);
  if (container instanceof RegoObject) return RegoObject.from([...container].filter(([other]) => !equal(other, key)));
  if (container instanceof RegoSet) return RegoSet.from(container.values().filter((member) => !equal(member, key)));
  return isArray(container) ? container.toSpliced(arrayIndex(key, container.length - 1), 1) : container;
}

function arrayIndex(key: Value, last: number): number {
  const index = typeof key === "string" && /^(?:0|[1-9][0-9]{0,9})$/.test(key) ? Number(key) : key;
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index > last) throw missing(key);
  return index;
}

function missing(key: Value): JsonPatchError {
  return new JsonPatchError(
    typeof key === "string" ? `path segment ${JSON.stringify(key)} not found` : "path not found",
  );
}

export const jsonPatchBuiltins: readonly Builtin[] = [
  builtin("json.patch", [any, array], (context, document, operations) => {
    try {
      return applyPatch(document, operations, (elements) => context.chargeOutput(elements));
    } catch (cause) {
      if (cause instanceof JsonPatchError) throw valueError("json.patch", cause.message, cause);
      throw cause;
    }
  }),
];
