/** Code that takes values apart. */
import type { Get, Match } from "../evaluate/frame.ts";
import type { Pattern } from "../plan/plan.ts";
import { equal, isArray, RegoObject } from "../value.ts";
import type { Unit } from "./unit.ts";

/** Code that says whether a value has the pattern's shape, and fills the pattern's slots from left to right. */
export function compilePattern(pattern: Pattern, unit: Unit): Match {
  switch (pattern.kind) {
    case "any":
      return () => true;
    case "bind": {
      const { slot } = pattern;
      return (frame, value) => {
        frame.slots[slot] = value;
        return true;
      };
    }
    case "equal": {
      const get = unit.expression(pattern.expression);
      return (frame, value) => {
        const expected = get(frame);
        return expected !== undefined && equal(expected, value, frame.evaluation);
      };
    }
    case "array":
      return compileArrayPattern(pattern.items.map((item) => compilePattern(item, unit)));
    case "object":
      return compileObjectPattern(
        pattern.members.map(([key, value]) => [unit.expression(key), compilePattern(value, unit)]),
      );
  }
}

function compileArrayPattern(items: readonly Match[]): Match {
  return (frame, value) => {
    if (!isArray(value) || value.length !== items.length) {
      return false;
    }
    for (const [index, item] of items.entries()) {
      const element = value[index];
      if (element === undefined || !item(frame, element)) {
        return false;
      }
    }
    return true;
  };
}

function compileObjectPattern(members: readonly (readonly [Get, Match])[]): Match {
  return (frame, value) => {
    if (!(value instanceof RegoObject) || value.size !== members.length) {
      return false;
    }
    for (const [getKey, match] of members) {
      const key = getKey(frame);
      const member = key === undefined ? undefined : value.get(key);
      if (member === undefined || !match(frame, member)) {
        return false;
      }
    }
    return true;
  };
}
