import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { maxPatchOperations, maxPointerLength } from "./limits.ts";

/** A patch that can't be applied. The message has no value of the document in it. */
export class JsonPatchError extends Error {
  override readonly name = "JsonPatchError";
}

/**
 * Applies a JSON Patch (RFC 6902) to a document that is never changed: what the patch doesn't touch is shared with the result.
 * Objects of the result have no prototype, so `__proto__` and `constructor` are keys like any other (threat model row 16).
 *
 * @param document the document
 * @param operations the patch's operations as the policy gave them
 * @returns the new document
 * @throws JsonPatchError when an operation is malformed, its place doesn't exist, or a `test` fails; nothing has changed then
 */
export function applyJsonPatch(document: JsonValue, operations: readonly JsonValue[]): JsonValue {
  if (operations.length > maxPatchOperations)
    throw new JsonPatchError(`a patch of ${operations.length} operations is too long`);
  return operations.reduce<JsonValue>(applyOperation, document);
}

function applyOperation(document: JsonValue, operation: JsonValue): JsonValue {
  if (!isJsonObject(operation)) throw new JsonPatchError("an operation is not an object");
  const path = parsePointer(operation["path"], "path");
  switch (operation["op"]) {
    case "add":
      return addAt(document, path, newValueOf(operation));
    case "remove":
      return removeAt(document, path);
    case "replace":
      return replaceAt(document, path, newValueOf(operation));
    case "copy":
      return addAt(document, path, valueAt(document, parsePointer(operation["from"], "from")));
    case "move":
      return moveTo(document, parsePointer(operation["from"], "from"), path);
    case "test":
      if (!equalJson(valueAt(document, path), newValueOf(operation)))
        throw new JsonPatchError("a test operation failed");
      return document;
    default:
      throw new JsonPatchError("an operation has no known `op`");
  }
}

function newValueOf(operation: JsonObject): JsonValue {
  const value = operation["value"];
  if (value === undefined) throw new JsonPatchError("an operation has no `value`");
  return value;
}

/** The steps of a JSON pointer (RFC 6901), unescaped. */
function parsePointer(pointer: JsonValue | undefined, member: string): readonly string[] {
  if (typeof pointer !== "string") throw new JsonPatchError(`an operation has no \`${member}\``);
  if (pointer.length > maxPointerLength) throw new JsonPatchError("a pointer is too long");
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) throw new JsonPatchError("malformed pointer");
  return pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function valueAt(document: JsonValue, path: readonly string[]): JsonValue {
  return path.reduce(memberOf, document);
}

function memberOf(parent: JsonValue, step: string): JsonValue {
  const member = isJsonArray(parent)
    ? parent[indexIn(parent, step)]
    : isJsonObject(parent) && Object.hasOwn(parent, step)
      ? parent[step]
      : undefined;
  if (member === undefined) throw new JsonPatchError("a place in the document doesn't exist");
  return member;
}

function addAt(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  return changeParent(document, path, value, (parent, step) =>
    isJsonArray(parent)
      ? parent.toSpliced(step === "-" ? parent.length : indexIn(parent, step, 1), 0, value)
      : withMember(parent, step, value),
  );
}

function replaceAt(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  return changeParent(document, path, value, (parent, step) => {
    memberOf(parent, step);
    return isJsonArray(parent) ? parent.with(indexIn(parent, step), value) : withMember(parent, step, value);
  });
}

function removeAt(document: JsonValue, path: readonly string[]): JsonValue {
  if (path.length === 0) throw new JsonPatchError("the whole document can't be removed");
  return changeParent(document, path, null, (parent, step) => {
    memberOf(parent, step);
    return isJsonArray(parent) ? parent.toSpliced(indexIn(parent, step), 1) : withoutMember(parent, step);
  });
}

function moveTo(document: JsonValue, from: readonly string[], path: readonly string[]): JsonValue {
  if (path.length > from.length && from.every((step, index) => step === path[index]))
    throw new JsonPatchError("a value can't be moved into itself");
  return addAt(removeAt(document, from), path, valueAt(document, from));
}

/** Rebuilds the way from the root to the parent of `path`; with an empty path the root itself becomes `value`. */
function changeParent(
  document: JsonValue,
  path: readonly string[],
  value: JsonValue,
  change: (parent: JsonObject | readonly JsonValue[], step: string) => JsonValue,
): JsonValue {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof document !== "object" || document === null)
    throw new JsonPatchError("a place in the document doesn't exist");
  if (rest.length === 0) return change(document, step);
  const changed = changeParent(memberOf(document, step), rest, value, change);
  return isJsonArray(document) ? document.with(indexIn(document, step), changed) : withMember(document, step, changed);
}

/** An array index as RFC 6901 writes it, below the length (plus `extra`). */
function indexIn(array: readonly JsonValue[], step: string, extra = 0): number {
  const index = /^(0|[1-9][0-9]{0,9})$/.test(step) ? Number(step) : -1;
  if (index < 0 || index >= array.length + extra) throw new JsonPatchError("an array index is out of range");
  return index;
}

function withMember(object: JsonObject, key: string, value: JsonValue): JsonObject {
  const copy: Record<string, JsonValue> = Object.assign(Object.create(null), object);
  copy[key] = value;
  return Object.freeze(copy);
}

function withoutMember(object: JsonObject, key: string): JsonObject {
  const copy: Record<string, JsonValue> = Object.assign(Object.create(null), object);
  delete copy[key];
  return Object.freeze(copy);
}

function equalJson(a: JsonValue, b: JsonValue): boolean {
  if (isJsonArray(a)) {
    return isJsonArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index] ?? null));
  }
  if (!isJsonObject(a)) return a === b;
  if (!isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key] ?? null, b[key] ?? null))
  );
}
