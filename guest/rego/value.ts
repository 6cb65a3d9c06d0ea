/**
 * Rego values. Scalars and arrays are plain JavaScript values; objects and sets are classes, since their keys and
 * members may be of any type. Values are never changed once they have left the function that built them.
 */

import type { JsonInput, JsonRecord } from "./json-input.ts";
import type { Budget } from "./limits.ts";
import { compareNumbers, Decimal, equalNumbers, fromDouble, integer, numberToText, type RegoNumber } from "./number.ts";
import { compareStrings } from "./string-order.ts";

export type { JsonInput } from "./json-input.ts";

/** Any Rego value. The absence of a value is `undefined`, which is none of these; `null` is a value. */
export type Value = null | boolean | RegoNumber | string | readonly Value[] | RegoObject | RegoSet;

/** The name of a value's type as `type_name` gives it. */
export type TypeName = "null" | "boolean" | "number" | "string" | "array" | "object" | "set";

/** The scalars that a JavaScript Map tells apart as Rego does. */
type MapKey = null | boolean | number | bigint | string;

/** A Rego object: members by key, the key of any type. Enumerates in Rego order. */
export class RegoObject {
  /** Members whose key is a scalar. */
  #members: Map<MapKey, Value>;
  /** Members with another key (array, object, set, Decimal), by its canonical text. */
  #composites: Map<string, readonly [Value, Value]> | undefined;
  /** The members as the caller handed them in, not yet looked at. */
  #record: JsonRecord | undefined;
  #sortedKeys: readonly Value[] | undefined;
  #canonical: string | undefined;

  constructor() {
    this.#members = new Map();
  }

  /** An object of these members; of members with equal keys the last one stays. */
  static from(members: Iterable<readonly [Value, Value]>): RegoObject {
    const object = new RegoObject();
    for (const [key, value] of members) {
      object.set(key, value);
    }
    return object;
  }

  /** An object over a plain record, converted when it is first looked into. The record must not change afterwards. */
  static fromRecord(record: JsonRecord): RegoObject {
    const object = new RegoObject();
    object.#record = record;
    return object;
  }

  /** How many members there are. */
  get size(): number {
    return this.#scalarMembers().size + (this.#composites?.size ?? 0);
  }

  /** The value under a key, or undefined. */
  get(key: Value): Value | undefined {
    const members = this.#record === undefined ? this.#members : this.#scalarMembers();
    if (typeof key !== "object" || key === null) {
      return members.get(key);
    }
    return this.#composites?.get(canonicalText(key))?.[1];
  }

  /** Whether there is a member with this key. */
  has(key: Value): boolean {
    return this.get(key) !== undefined;
  }

  /** Adds or replaces a member. Only for the function that builds the object, before anyone else sees it. */
  set(key: Value, value: Value): void {
    this.#sortedKeys = undefined;
    this.#canonical = undefined;
    if (typeof key !== "object" || key === null) {
      this.#scalarMembers().set(key, value);
    } else {
      this.#composites ??= new Map();
      this.#composites.set(canonicalText(key), [key, value]);
    }
  }

  /** The keys in Rego order. */
  keys(): readonly Value[] {
    if (this.#sortedKeys === undefined) {
      const keys: Value[] = [...this.#scalarMembers().keys()];
      for (const [key] of this.#composites?.values() ?? []) {
        keys.push(key);
      }
      this.#sortedKeys = keys.sort(compare);
    }
    return this.#sortedKeys;
  }

  /** The members in Rego order of their keys. */
  *entries(): IterableIterator<[Value, Value]> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== undefined) {
        yield [key, value];
      }
    }
  }

  /** Whether the test holds for all members, which are visited in no particular order. */
  every(test: (key: Value, value: Value) => boolean): boolean {
    for (const [key, value] of this.#scalarMembers()) {
      if (!test(key, value)) {
        return false;
      }
    }
    for (const [key, value] of this.#composites?.values() ?? []) {
      if (!test(key, value)) {
        return false;
      }
    }
    return true;
  }

  /** The values in Rego order of their keys. */
  values(): Value[] {
    return this.keys().map((key) => this.get(key) ?? null);
  }

  [Symbol.iterator](): IterableIterator<[Value, Value]> {
    return this.entries();
  }

  /** Text that is the same for equal objects only. */
  canonical(): string {
    if (this.#canonical === undefined) {
      let text = "{";
      for (const [key, value] of this.entries()) {
        text += `${canonicalText(key)}${canonicalText(value)}`;
      }
      this.#canonical = `${text}}`;
    }
    return this.#canonical;
  }

  #scalarMembers(): Map<MapKey, Value> {
    const record = this.#record;
    if (record !== undefined) {
      const members = new Map<MapKey, Value>();
      for (const key of Object.keys(record)) {
        const member = record[key];
        if (member !== undefined) {
          members.set(key, fromJson(member));
        }
      }
      // Only now: where a conversion failed, the next look fails too.
      this.#members = members;
      this.#record = undefined;
    }
    return this.#members;
  }
}

/** A Rego set. Enumerates in Rego order. */
export class RegoSet {
  readonly #scalars = new Set<MapKey>();
  #composites: Map<string, Value> | undefined;
  #sorted: readonly Value[] | undefined;
  #canonical: string | undefined;

  /** A set of these members. */
  static from(members: Iterable<Value>): RegoSet {
    const set = new RegoSet();
    for (const member of members) {
      set.add(member);
    }
    return set;
  }

  /** How many members there are. */
  get size(): number {
    return this.#scalars.size + (this.#composites?.size ?? 0);
  }

  /** Whether the value is a member. */
  has(member: Value): boolean {
    if (typeof member !== "object" || member === null) {
      return this.#scalars.has(member);
    }
    return this.#composites?.has(canonicalText(member)) ?? false;
  }

  /** Adds a member. Only for the function that builds the set, before anyone else sees it. */
  add(member: Value): void {
    this.#sorted = undefined;
    this.#canonical = undefined;
    if (typeof member !== "object" || member === null) {
      this.#scalars.add(member);
    } else {
      this.#composites ??= new Map();
      this.#composites.set(canonicalText(member), member);
    }
  }

  /** The members in Rego order. */
  values(): readonly Value[] {
    this.#sorted ??= [...this.#scalars, ...(this.#composites?.values() ?? [])].sort(compare);
    return this.#sorted;
  }

  [Symbol.iterator](): IterableIterator<Value> {
    return this.values()[Symbol.iterator]();
  }

  /** Text that is the same for equal sets only. */
  canonical(): string {
    this.#canonical ??= `<${this.values().map(canonicalText).join("")}>`;
    return this.#canonical;
  }
}

/** Whether the value is a number in any of its forms. */
export function isNumber(value: Value): value is RegoNumber {
  return typeof value === "number" || typeof value === "bigint" || value instanceof Decimal;
}

/** Whether the value is an array. */
export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The name of the value's type. */
export function typeName(value: Value): TypeName {
  const type = typeof value;
  if (type === "string" || type === "boolean") {
    return type;
  }
  return typeof value === "object" ? objectTypeName(value) : "number";
}

function objectTypeName(value: null | Decimal | readonly Value[] | RegoObject | RegoSet): TypeName {
  if (value === null) {
    return "null";
  }
  if (Array.isArray(value)) {
    return "array";
  }
  if (value instanceof RegoObject) {
    return "object";
  }
  return value instanceof RegoSet ? "set" : "number";
}

/** Whether two values are the same value; the budget is charged for the elements that are compared. */
export function equal(a: Value, b: Value, budget?: Budget): boolean {
  if (a === b) {
    return true;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return false;
  }
  if (isArray(a)) {
    return isArray(b) && equalArrays(a, b, budget);
  }
  if (a instanceof RegoObject) {
    return b instanceof RegoObject && equalObjects(a, b, budget);
  }
  if (a instanceof RegoSet) {
    budget?.charge(a.size);
    return b instanceof RegoSet && a.size === b.size && a.canonical() === b.canonical();
  }
  return b instanceof Decimal && equalNumbers(a, b);
}

function equalArrays(a: readonly Value[], b: readonly Value[], budget: Budget | undefined): boolean {
  if (a.length !== b.length) {
    return false;
  }
  budget?.charge(a.length);
  for (let index = 0; index < a.length; index += 1) {
    // The index is below the length of both.
    if (!equal(a[index] as Value, b[index] as Value, budget)) {
      return false;
    }
  }
  return true;
}

function equalObjects(a: RegoObject, b: RegoObject, budget: Budget | undefined): boolean {
  if (a.size !== b.size) {
    return false;
  }
  budget?.charge(a.size);
  return a.every((key, value) => {
    const other = b.get(key);
    return other !== undefined && equal(value, other, budget);
  });
}

const typeOrder: readonly TypeName[] = ["null", "boolean", "number", "string", "array", "object", "set"];

/** Negative, zero or positive as a comes before, is equal to or comes after b in Rego order. */
export function compare(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") {
    return compareStrings(a, b);
  }
  if (isNumber(a) && isNumber(b)) {
    return compareNumbers(a, b);
  }
  const order = typeOrder.indexOf(typeName(a)) - typeOrder.indexOf(typeName(b));
  if (order !== 0) {
    return order;
  }
  if (typeof a === "boolean" && typeof b === "boolean") {
    return Number(a) - Number(b);
  }
  if (a instanceof RegoObject && b instanceof RegoObject) {
    // Keys and values in turn; flat() takes the pairs apart and leaves values that are arrays alone.
    return compareLists([...a].flat(), [...b].flat());
  }
  if (a instanceof RegoSet && b instanceof RegoSet) {
    return compareLists(a.values(), b.values());
  }
  return isArray(a) && isArray(b) ? compareLists(a, b) : 0;
}

function compareLists(a: readonly Value[], b: readonly Value[]): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    // The index is below the length of both.
    const order = compare(a[index] as Value, b[index] as Value);
    if (order !== 0) {
      return order;
    }
  }
  return a.length - b.length;
}

/** Text that is the same for equal values only: a key for maps. Not meant to be read. */
export function canonicalText(value: Value): string {
  switch (typeof value) {
    case "string":
      return `"${value.length}:${value}`;
    case "boolean":
      return value ? "t" : "f";
    case "number":
    case "bigint":
      return `#${value};`;
    default:
      return canonicalComposite(value);
  }
}

function canonicalComposite(value: null | Decimal | readonly Value[] | RegoObject | RegoSet): string {
  if (value === null) {
    return "n";
  }
  if (value instanceof Decimal) {
    return `#${numberToText(value)};`;
  }
  if (value instanceof RegoObject || value instanceof RegoSet) {
    return value.canonical();
  }
  let text = "[";
  for (const item of value) {
    text += canonicalText(item);
  }
  return `${text}]`;
}

/**
 * The value of plain JSON data. Objects are converted when first looked into and arrays of scalars not at all, so the
 * data must not change afterwards (freeze it). Throws NumberError for NaN and infinities.
 */
export function fromJson(input: JsonInput): Value {
  switch (typeof input) {
    case "number":
      return fromDouble(input);
    case "bigint":
      return integer(input);
    case "object":
      if (input === null) {
        return null;
      }
      // Array.isArray does not narrow readonly arrays.
      return Array.isArray(input) ? arrayFromJson(input) : RegoObject.fromRecord(input as JsonRecord);
    default:
      return input;
  }
}

function arrayFromJson(input: readonly JsonInput[]): readonly Value[] {
  for (const item of input) {
    const isValue =
      typeof item === "string" || typeof item === "boolean" || item === null || Number.isSafeInteger(item);
    if (!isValue) {
      return input.map(fromJson);
    }
  }
  // Every element was just seen to be a scalar in its one form.
  return input as readonly Value[];
}
