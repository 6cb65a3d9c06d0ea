/**
 * Terms (spec/rego-language.md 2.2). Terms contain collections, which contain bodies, which contain terms: the three
 * parsers of these files call each other.
 */
import { negate } from "../number.ts";
import { RegoSet, type Value } from "../value.ts";
import { parseArray, parseBraces } from "./collection-parser.ts";
import type { TokenCursor } from "./cursor.ts";
import type { Token } from "./lexer.ts";
import { parseLiteral } from "./literal-parser.ts";
import type { Term } from "./tree.ts";

/** Operators by how tightly they bind, and the built-ins that they stand for. `in` is read apart. */
const operators: ReadonlyMap<string, { readonly level: number; readonly builtin: string }> = new Map([
  ["==", { level: 2, builtin: "equal" }],
  ["!=", { level: 2, builtin: "neq" }],
  ["<", { level: 2, builtin: "lt" }],
  ["<=", { level: 2, builtin: "lte" }],
  [">", { level: 2, builtin: "gt" }],
  [">=", { level: 2, builtin: "gte" }],
  ["|", { level: 3, builtin: "or" }],
  ["&", { level: 4, builtin: "and" }],
  ["+", { level: 5, builtin: "plus" }],
  ["-", { level: 5, builtin: "minus" }],
  ["*", { level: 6, builtin: "mul" }],
  ["/", { level: 6, builtin: "div" }],
  ["%", { level: 6, builtin: "rem" }],
]);
/** Of `in`. */
export const membershipLevel = 1;
/** Of `==` and the like: what is tighter than `in`. */
export const comparisonLevel = 2;

/** A term, or `key, value in domain` where a comma can't mean anything else. */
export function parseMembership(cursor: TokenCursor): Term {
  const first = parseTerm(cursor);
  if (!cursor.isSymbol(",") || !cursor.keywords.has("in")) {
    return first;
  }
  const comma = cursor.take();
  const second = parseTerm(cursor);
  const keyed = withKey(first, second);
  if (keyed === undefined) {
    throw cursor.fault('a comma may only stand in "key, value in collection" here', comma.start);
  }
  return keyed;
}

/** Gives the first `in` of a chain such as `value in a in b` its key. */
function withKey(key: Term, membership: Term): Term | undefined {
  if (membership.kind !== "call" || membership.operator[0] !== "internal.member_2") {
    return undefined;
  }
  const [left, ...rest] = membership.operands;
  // A term in parentheses starts before its first operand.
  const isChain = left?.kind === "call" && left.operands[0]?.start === left.start;
  const inner = isChain ? withKey(key, left) : undefined;
  return inner === undefined
    ? { ...membership, operator: ["internal.member_3"], operands: [key, ...membership.operands], start: key.start }
    : { ...membership, operands: [inner, ...rest], start: key.start };
}

/** Any term, operators included. */
export function parseTerm(cursor: TokenCursor): Term {
  return parseDatum(cursor) ?? parseCompoundTerm(cursor);
}

/** A string or number with nothing after it that could belong to it: most of the terms in generated policies. */
function parseDatum(cursor: TokenCursor): Term | undefined {
  const token = cursor.next;
  if (token.kind !== "string" && token.kind !== "number") {
    return undefined;
  }
  const after = cursor.afterNext;
  const isAlone = after?.kind === "symbol" && (after.text === "," || after.text === "]" || after.text === "}");
  if (!isAlone) {
    return undefined;
  }
  cursor.take();
  return { kind: "constant", value: token.value, start: token.start, end: token.end };
}

function parseCompoundTerm(cursor: TokenCursor): Term {
  return cursor.nested(() => parseInfix(cursor, membershipLevel));
}

export function parseInfix(cursor: TokenCursor, level: number): Term {
  return parseInfixAfter(cursor, parsePostfix(cursor), level);
}

/** Operators of this level and tighter ones after a first operand. */
export function parseInfixAfter(cursor: TokenCursor, left: Term, level: number): Term {
  for (let length = 0; ; length += 1) {
    cursor.checkChain(length);
    const operator = operatorAt(cursor, level);
    if (operator === undefined) {
      return left;
    }
    cursor.take();
    const operand = cursor.nested(() => parseInfix(cursor, operator.level + 1));
    left = {
      kind: "call",
      operator: [operator.builtin],
      operands: [left, operand],
      isInfix: true,
      start: left.start,
      end: operand.end,
    };
  }
}

function operatorAt(cursor: TokenCursor, level: number): { level: number; builtin: string } | undefined {
  if (level <= membershipLevel && cursor.isKeyword("in")) {
    return { level: membershipLevel, builtin: "internal.member_2" };
  }
  const operator = cursor.next.kind === "symbol" ? operators.get(cursor.next.text) : undefined;
  return operator === undefined || operator.level < level ? undefined : operator;
}

/** A primary term followed by `.name`, `[term]` and `(operands)`, each without a space before it. */
export function parsePostfix(cursor: TokenCursor): Term {
  let term = parsePrimary(cursor);
  for (let length = 0; ; length += 1) {
    cursor.checkChain(length);
    if (cursor.isAdjacent(".")) {
      cursor.take();
      term = extend(term, parseMemberName(cursor), cursor.previousEnd);
    } else if (cursor.isAdjacent("[")) {
      cursor.take();
      const key = parseTerm(cursor);
      cursor.expectSymbol("]", "to close the reference");
      term = extend(term, key, cursor.previousEnd);
    } else if (cursor.isAdjacent("(") && callPath(term) !== undefined) {
      term = parseCall(cursor, term, callPath(term) ?? []);
    } else {
      return term;
    }
  }
}

/** After a dot any name will do, a keyword too. */
function parseMemberName(cursor: TokenCursor): Term {
  const token = cursor.next;
  if (token.kind !== "name" || token.spaced) {
    throw cursor.unexpected("a name after the dot");
  }
  cursor.take();
  return { kind: "constant", value: token.text, start: token.start, end: token.end };
}

function extend(term: Term, key: Term, end: number): Term {
  return term.kind === "reference"
    ? { ...term, path: [...term.path, key], end }
    : { kind: "reference", head: term, path: [key], start: term.start, end };
}

/** The parts of a function's name, or undefined when the term can't be one. */
function callPath(term: Term): string[] | undefined {
  if (term.kind === "variable") {
    return [term.name];
  }
  if (term.kind !== "reference" || term.head.kind !== "variable") {
    return undefined;
  }
  const path = [term.head.name];
  for (const part of term.path) {
    if (part.kind !== "constant" || typeof part.value !== "string") {
      return undefined;
    }
    path.push(part.value);
  }
  return path;
}

function parseCall(cursor: TokenCursor, term: Term, operator: string[]): Term {
  cursor.take();
  const operands = parseList(cursor, ")");
  const { start } = term;
  if (operator.length === 1 && operator[0] === "set" && operands.length === 0) {
    return { kind: "constant", value: new RegoSet(), start, end: cursor.previousEnd };
  }
  return { kind: "call", operator, operands, isInfix: false, start, end: cursor.previousEnd };
}

/** Terms separated by commas up to the closing symbol, which is taken; a comma may stand before it. */
export function parseList(cursor: TokenCursor, closing: string, first?: Term): Term[] {
  const terms: Term[] = first === undefined ? [] : [first];
  if (first !== undefined && !cursor.isSymbol(closing)) {
    cursor.expectSymbol(",", `or "${closing}"`);
  }
  while (!cursor.takeSymbol(closing)) {
    terms.push(parseTerm(cursor));
    if (!cursor.isSymbol(closing)) {
      cursor.expectSymbol(",", `or "${closing}"`);
    }
  }
  return terms;
}

function parsePrimary(cursor: TokenCursor): Term {
  const token = cursor.next;
  const { start, end } = token;
  switch (token.kind) {
    case "string":
    case "number":
    case "constant":
      cursor.take();
      return { kind: "constant", value: token.value, start, end };
    case "template":
      cursor.take();
      return parseTemplate(cursor, token);
    case "symbol":
      return cursor.nested(() => parseBracketed(cursor, token.text));
    case "name":
      return parseNamed(cursor, token.text, start, end);
    default:
      throw cursor.unexpected("an expression");
  }
}

const namedConstants: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

function parseNamed(cursor: TokenCursor, name: string, start: number, end: number): Term {
  const constant = namedConstants.get(name);
  if (constant !== undefined && cursor.isKeywordNext()) {
    cursor.take();
    return { kind: "constant", value: constant, start, end };
  }
  const isContainsCall = name === "contains" && cursor.afterNext?.text === "(" && !cursor.afterNext.spaced;
  if (cursor.isKeywordNext() && !isContainsCall) {
    throw cursor.unexpected("an expression");
  }
  cursor.take();
  return { kind: "variable", name, start, end };
}

function parseBracketed(cursor: TokenCursor, symbol: string): Term {
  const { start } = cursor.next;
  switch (symbol) {
    case "(": {
      cursor.take();
      const inner = parseMembership(cursor);
      cursor.expectSymbol(")", "to close the parenthesis");
      return { ...inner, start, end: cursor.previousEnd };
    }
    case "[":
      cursor.take();
      return parseArray(cursor, start);
    case "{":
      cursor.take();
      return parseBraces(cursor, start);
    case "-":
      return parseNegative(cursor, start);
    default:
      throw cursor.unexpected("an expression");
  }
}

function parseNegative(cursor: TokenCursor, start: number): Term {
  cursor.take();
  const token = cursor.next;
  if (token.kind !== "number") {
    throw cursor.unexpected("a number after the minus sign");
  }
  cursor.take();
  return { kind: "constant", value: negate(token.value), start, end: token.end };
}

function parseTemplate(cursor: TokenCursor, token: Token & { readonly kind: "template" }): Term {
  const parts = token.value.map((part) => {
    if (typeof part === "string") {
      return part;
    }
    return cursor.within(part, () => {
      const literal = parseLiteral(cursor);
      if (!cursor.isAtEnd() || literal.expression.kind !== "term") {
        throw cursor.unexpected('one term and "}" in the template string');
      }
      return literal;
    });
  });
  return { kind: "template", parts, start: token.start, end: token.end };
}
