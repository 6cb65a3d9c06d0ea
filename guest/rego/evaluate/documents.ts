/** The documents `input` and `data`: base data and rules as one (spec/rego-language.md 3, "Virtual and base documents"). */
import type { DocumentNode, RuleGroup } from "../analysis/rule-groups.ts";
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import type { Evaluation, World } from "./evaluation.ts";
import { lookup } from "./operators.ts";

/** Gives the value of a rule in an evaluation. */
export type RuleValue = (evaluation: Evaluation, group: RuleGroup) => Value | undefined;

/** The value of everything at a path of `data`: rules where there are any, base data elsewhere. */
export function documentValue(
  evaluation: Evaluation,
  path: readonly string[],
  node: DocumentNode | undefined,
  ruleValue: RuleValue,
): Value | undefined {
  const base = baseValue(evaluation.world, path);
  if (node === undefined || isReplaced(evaluation.world, path)) {
    return base;
  }
  if (node.group !== undefined) {
    return node.group.kind === "function" ? undefined : ruleValue(evaluation, node.group);
  }
  const merged = new RegoObject();
  if (base instanceof RegoObject) {
    for (const [key, value] of base) {
      merged.set(key, value);
    }
  }
  for (const [name, child] of node.children) {
    const value = documentValue(evaluation, [...path, name], child, ruleValue);
    if (value !== undefined) {
      merged.set(name, value);
    }
  }
  evaluation.chargeOutput(merged.size);
  return merged;
}

/** What `documentValue` would give below the path under these keys, without working out what lies beside them. */
export function documentLookup(
  evaluation: Evaluation,
  path: readonly string[],
  node: DocumentNode | undefined,
  keys: readonly Value[],
  ruleValue: RuleValue,
): Value | undefined {
  let at = node;
  let names = path;
  for (const [index, key] of keys.entries()) {
    const isRule = at?.group !== undefined || isReplaced(evaluation.world, names);
    if (isRule || at === undefined) {
      return lookupAll(documentValue(evaluation, names, at, ruleValue), keys.slice(index), !isRule);
    }
    names = [...names, typeof key === "string" || typeof key === "number" ? String(key) : ""];
    at = typeof key === "string" ? at.children.get(key) : undefined;
    if (typeof key !== "string" && typeof key !== "number") {
      return undefined;
    }
  }
  return documentValue(evaluation, names, at, ruleValue);
}

/** The names below a place in `data` (path and then keys): of packages, rules and base data, in Rego order. */
export function documentNames(
  evaluation: Evaluation,
  path: readonly string[],
  node: DocumentNode | undefined,
  keys: readonly Value[],
  ruleValue: RuleValue,
): readonly Value[] {
  let at = node;
  let names = path;
  for (const [index, key] of keys.entries()) {
    if (at === undefined || at.group !== undefined || typeof key !== "string" || isReplaced(evaluation.world, names)) {
      return memberKeys(documentLookup(evaluation, names, at, keys.slice(index), ruleValue));
    }
    names = [...names, key];
    at = at.children.get(key);
  }
  if (at === undefined || at.group !== undefined || isReplaced(evaluation.world, names)) {
    return memberKeys(documentValue(evaluation, names, at, ruleValue));
  }
  return RegoSet.from([...memberKeys(baseValue(evaluation.world, names)), ...at.children.keys()]).values();
}

function memberKeys(value: Value | undefined): readonly Value[] {
  if (value instanceof RegoObject) {
    return value.keys();
  }
  if (value instanceof RegoSet) {
    return value.values();
  }
  return value !== undefined && isArray(value) ? value.map((_, index) => index) : [];
}

function lookupAll(start: Value | undefined, keys: readonly Value[], isBase: boolean): Value | undefined {
  let value = start;
  for (const key of keys) {
    value = value === undefined ? undefined : lookupInBase(value, key, isBase);
  }
  return value;
}

/** As `lookup`; in base data OPA turns numbers into text where that finds a key. */
function lookupInBase(value: Value, key: Value, isBase: boolean): Value | undefined {
  const found = lookup(value, key);
  return found === undefined && isBase && typeof key === "number" ? lookup(value, String(key)) : found;
}

/** Base data at a path. */
export function baseValue(world: World, path: readonly string[]): Value | undefined {
  let value: Value | undefined = world.data;
  for (const name of path) {
    if (value === undefined) {
      return undefined;
    }
    value = value instanceof RegoObject ? value.get(name) : lookup(value, /^\d{1,9}$/.test(name) ? Number(name) : name);
  }
  return value;
}

/** Whether a `with` has put other data at this path or above it. */
export function isReplaced(world: World, path: readonly string[]): boolean {
  return world.replacedPaths.some(
    (replaced) => replaced.length <= path.length && replaced.every((name, index) => name === path[index]),
  );
}

/** The document with another value at a path; objects are made where there are none. */
export function replaceAt(document: Value | undefined, path: readonly string[], value: Value): Value {
  const [name, ...rest] = path;
  if (name === undefined) {
    return value;
  }
  const members = document instanceof RegoObject ? document.entries() : [];
  const copy = RegoObject.from(members);
  copy.set(name, replaceAt(copy.get(name), rest, value));
  return copy;
}
