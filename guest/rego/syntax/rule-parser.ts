/** Rules: heads, bodies, `else` (spec/rego-language.md 2.2). The one place where v0 and v1 differ in meaning. */
import type { TokenCursor } from "./cursor.ts";
import { parseList, parseTerm } from "./expression-parser.ts";
import { parseBlock, parseLiteral } from "./literal-parser.ts";
import type { Branch, Literal, RuleTree, Term } from "./tree.ts";

/** What stands before a rule's body. */
interface Head {
  readonly start: number;
  readonly isDefault: boolean;
  readonly name: string;
  readonly path: Term[];
  readonly parameters: Term[] | undefined;
  readonly member: Term | undefined;
  readonly value: Term | undefined;
}

/** Parses one rule; a v0 rule with several bodies gives one for each. */
export function parseRule(cursor: TokenCursor, version: "v0" | "v1"): RuleTree[] {
  const head = parseHead(cursor, version);
  if (head.isDefault) {
    return [defaultRule(cursor, head)];
  }
  const hasIf = takeIf(cursor, version);
  if (hasIf || (version === "v0" && cursor.isSymbol("{"))) {
    const rules = [finish(cursor, head, hasIf ? parseIfBody(cursor) : parseBlock(cursor, ""), version, hasIf)];
    while (cursor.isSymbol("{")) {
      rules.push(finish(cursor, head, parseBlock(cursor, ""), version, hasIf));
    }
    return rules;
  }
  if (cursor.isSymbol("{")) {
    throw cursor.unexpected('"if" before the body of the rule');
  }
  const isBareSet = version === "v0" && head.path.length === 1;
  if (head.value === undefined && head.member === undefined && !isBareSet) {
    throw cursor.unexpected(`":=", "if" or "contains" after the rule's name`);
  }
  return [finish(cursor, head, [], version, false)];
}

/** `if`; right after a head it needs no import in v0 either, since nothing else can be meant. */
function takeIf(cursor: TokenCursor, version: "v0" | "v1"): boolean {
  const { next } = cursor;
  if (cursor.isKeyword("if") || (version === "v0" && next.kind === "name" && next.text === "if" && !next.startsLine)) {
    cursor.take();
    return true;
  }
  return false;
}

/** What follows `if`: a block, or one literal. A literal that starts with a brace is an object comprehension. */
function parseIfBody(cursor: TokenCursor): Literal[] {
  if (!cursor.isSymbol("{")) {
    return [parseLiteral(cursor)];
  }
  const { start } = cursor.next;
  const block = cursor.attempt("{:,", () => {
    const body = parseBlock(cursor, "");
    if (body.length === 1 && body[0] !== undefined && isUnion(body[0])) {
      throw cursor.fault("a set comprehension", start);
    }
    return body;
  });
  return block ?? [parseLiteral(cursor)];
}

/** `a | b` alone: in braces that is a set comprehension. */
function isUnion({ expression }: Literal): boolean {
  return expression.kind === "term" && expression.term.kind === "call" && expression.term.operator[0] === "or";
}

function parseHead(cursor: TokenCursor, version: "v0" | "v1"): Head {
  const { start } = cursor.next;
  const isDefault = cursor.takeKeyword("default");
  const name = cursor.expectName("the name of a rule");
  const path: Term[] = [];
  while (cursor.isAdjacent(".") || cursor.isAdjacent("[")) {
    path.push(parsePathPart(cursor));
    cursor.checkChain(path.length);
  }
  const parameters = cursor.isSymbol("(") ? parseParameters(cursor) : undefined;
  const member = cursor.takeKeyword("contains") ? parseTerm(cursor) : undefined;
  const hasValue = member === undefined && (cursor.takeSymbol(":=") || cursor.takeSymbol("="));
  const value = hasValue ? parseTerm(cursor) : undefined;
  if (version === "v1" && (name === "input" || name === "data") && path.length === 0) {
    throw cursor.fault(`a rule must not be named ${name}`, start);
  }
  return { start, isDefault, name, path, parameters, member, value };
}

function parsePathPart(cursor: TokenCursor): Term {
  if (cursor.take().text === "[") {
    const key = parseTerm(cursor);
    cursor.expectSymbol("]", "to close the reference");
    return key;
  }
  const token = cursor.next;
  if (token.kind !== "name" || token.spaced) {
    throw cursor.unexpected("a name after the dot");
  }
  cursor.take();
  return { kind: "constant", value: token.text, start: token.start, end: token.end };
}

function parseParameters(cursor: TokenCursor): Term[] {
  cursor.take();
  return parseList(cursor, ")");
}

/** Turns head and body into the rule that they mean. */
function finish(cursor: TokenCursor, head: Head, body: Literal[], version: "v0" | "v1", hasIf: boolean): RuleTree {
  const { start, name, parameters } = head;
  let { path, member } = head;
  // In v0 `p[x] { … }` and `p.x { … }` are partial sets; longer paths, and all with a value, are not.
  const isSetHead = version === "v0" && !hasIf && path.length === 1;
  if (isSetHead && head.value === undefined && member === undefined && parameters === undefined) {
    member = path[0];
    path = [];
  }
  const end = cursor.previousEnd;
  const value = head.value ?? constantTrue(start);
  const branches: Branch[] = [{ value, body, start, end }];
  while (cursor.isKeyword("else")) {
    if (member !== undefined) {
      throw cursor.fault('a partial set has no "else"', cursor.next.start);
    }
    branches.push(parseElse(cursor, version));
  }
  const rule = { isDefault: false, name, path, branches, start, end: cursor.previousEnd };
  return {
    ...rule,
    ...(parameters === undefined ? {} : { parameters }),
    ...(member === undefined ? {} : { member }),
  };
}

function parseElse(cursor: TokenCursor, version: "v0" | "v1"): Branch {
  const { start } = cursor.take();
  const hasValue = cursor.takeSymbol(":=") || cursor.takeSymbol("=");
  const value = hasValue ? parseTerm(cursor) : constantTrue(start);
  let body: Literal[] = [];
  if (takeIf(cursor, version)) {
    body = parseIfBody(cursor);
  } else if (version === "v0" && cursor.isSymbol("{")) {
    body = parseBlock(cursor, "");
  } else if (!hasValue) {
    throw cursor.unexpected('a value or a body after "else"');
  }
  return { value, body, start, end: cursor.previousEnd };
}

function defaultRule(cursor: TokenCursor, head: Head): RuleTree {
  const { start, name, path, parameters, member, value } = head;
  if (value === undefined || member !== undefined) {
    throw cursor.unexpected('":=" and a value after "default"');
  }
  if (cursor.isKeyword("if") || cursor.isSymbol("{")) {
    throw cursor.fault("a default rule has no body", cursor.next.start);
  }
  const variable = findVariable(value);
  if (variable !== undefined) {
    throw cursor.fault("the value of a default rule must be a constant", variable.start);
  }
  const end = cursor.previousEnd;
  const rule = { isDefault: true, name, path, branches: [{ value, body: [], start, end }], start, end };
  return parameters === undefined ? rule : { ...rule, parameters };
}

/** A variable, reference or call outside comprehensions. */
function findVariable(term: Term): Term | undefined {
  switch (term.kind) {
    case "constant":
    case "comprehension":
      return undefined;
    case "array":
    case "set":
      return term.items.map(findVariable).find((found) => found !== undefined);
    case "object":
      return term.members.flatMap((member) => member.map(findVariable)).find((found) => found !== undefined);
    default:
      return term;
  }
}

function constantTrue(offset: number): Term {
  return { kind: "constant", value: true, start: offset, end: offset };
}
