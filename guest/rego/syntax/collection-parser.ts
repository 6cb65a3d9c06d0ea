/** Arrays, objects, sets and comprehensions (spec/rego-language.md 2.2). */
import { RegoObject, RegoSet, type Value } from "../value.ts";
import type { TokenCursor } from "./cursor.ts";
import { membershipLevel, parseInfixAfter, parseList, parsePostfix, parseTerm } from "./expression-parser.ts";
import { parseQuery } from "./literal-parser.ts";
import type { Literal, Term } from "./tree.ts";

/** What follows `[`: an array or a comprehension. */
export function parseArray(cursor: TokenCursor, start: number): Term {
  if (cursor.takeSymbol("]")) {
    return { kind: "constant", value: [], start, end: cursor.previousEnd };
  }
  const head = parsePostfix(cursor);
  const body = parseComprehensionBody(cursor, "]");
  if (body !== undefined) {
    return { kind: "comprehension", shape: "array", value: head, body, start, end: cursor.previousEnd };
  }
  const items = parseList(cursor, "]", parseInfixAfter(cursor, head, membershipLevel));
  const place = { start, end: cursor.previousEnd };
  const values = constantValues(items);
  return values === undefined ? { kind: "array", items, ...place } : { kind: "constant", value: values, ...place };
}

/**
 * `| query` and the closing symbol, after a comprehension's head. Undefined when there is none: no `|`, or what
 * follows it is an operand of a union and the next element of a list, `[a | b, c]`. A head with an operator of its own
 * needs parentheses, as in OPA.
 */
function parseComprehensionBody(cursor: TokenCursor, closing: "]" | "}"): Literal[] | undefined {
  if (!cursor.isSymbol("|")) {
    return undefined;
  }
  return cursor.attempt(",", () => {
    cursor.take();
    const body = parseQuery(cursor, closing);
    cursor.expectSymbol(closing, "to close the comprehension");
    return body;
  });
}

/** What follows `{`: an object, a set or a comprehension of one. */
export function parseBraces(cursor: TokenCursor, start: number): Term {
  if (cursor.takeSymbol("}")) {
    return { kind: "constant", value: new RegoObject(), start, end: cursor.previousEnd };
  }
  const head = parsePostfix(cursor);
  const body = parseComprehensionBody(cursor, "}");
  if (body !== undefined) {
    return { kind: "comprehension", shape: "set", value: head, body, start, end: cursor.previousEnd };
  }
  const first = parseInfixAfter(cursor, head, membershipLevel);
  if (cursor.takeSymbol(":")) {
    return parseObject(cursor, start, first);
  }
  const items = parseList(cursor, "}", first);
  const place = { start, end: cursor.previousEnd };
  const values = constantValues(items);
  return values === undefined
    ? { kind: "set", items, ...place }
    : { kind: "constant", value: RegoSet.from(values), ...place };
}

function parseObject(cursor: TokenCursor, start: number, key: Term): Term {
  const head = parsePostfix(cursor);
  const body = parseComprehensionBody(cursor, "}");
  if (body !== undefined) {
    return { kind: "comprehension", shape: "object", key, value: head, body, start, end: cursor.previousEnd };
  }
  const members: [Term, Term][] = [[key, parseInfixAfter(cursor, head, membershipLevel)]];
  while (!cursor.takeSymbol("}")) {
    cursor.expectSymbol(",", 'or "}"');
    if (cursor.takeSymbol("}")) {
      break;
    }
    const nextKey = parseTerm(cursor);
    cursor.expectSymbol(":", "after the key");
    members.push([nextKey, parseTerm(cursor)]);
  }
  const place = { start, end: cursor.previousEnd };
  const value = constantObject(members);
  return value === undefined ? { kind: "object", members, ...place } : { kind: "constant", value, ...place };
}

function constantValues(terms: readonly Term[]): Value[] | undefined {
  const values: Value[] = [];
  for (const term of terms) {
    if (term.kind !== "constant") {
      return undefined;
    }
    values.push(term.value);
  }
  return values;
}

function constantObject(members: readonly (readonly [Term, Term])[]): RegoObject | undefined {
  const object = new RegoObject();
  for (const [key, value] of members) {
    if (key.kind !== "constant" || value.kind !== "constant") {
      return undefined;
    }
    object.set(key.value, value.value);
  }
  return object;
}
