/** Bodies and their literals (spec/rego-language.md 2.2). */
import type { TokenCursor } from "./cursor.ts";
import { comparisonLevel, parseInfix, parseMembership, parsePostfix, parseTerm } from "./expression-parser.ts";
import type { Expression, Literal, Replacement, Term, VariableTerm } from "./tree.ts";

/** Literals up to (not including) the closing symbol or the end of the text. At least one. */
export function parseQuery(cursor: TokenCursor, closing: "}" | "]" | "end"): Literal[] {
  const literals: Literal[] = [];
  for (;;) {
    while (cursor.takeSymbol(";")) {
      // Empty literals mean nothing.
    }
    if (cursor.isSymbol(closing) || cursor.isAtEnd()) {
      if (literals.length === 0) {
        throw cursor.unexpected("an expression");
      }
      return literals;
    }
    literals.push(parseLiteral(cursor));
    const isSeparated = cursor.isSymbol(";") || cursor.isSymbol(closing) || cursor.next.startsLine;
    if (!isSeparated && !cursor.isAtEnd()) {
      throw cursor.unexpected('";" or a new line');
    }
  }
}

/** `{ query }` */
export function parseBlock(cursor: TokenCursor, purpose: string): Literal[] {
  cursor.expectSymbol("{", purpose);
  const body = cursor.nested(() => parseQuery(cursor, "}"));
  cursor.expectSymbol("}", "to close the body");
  return body;
}

/** One literal with its `with` modifiers. */
export function parseLiteral(cursor: TokenCursor): Literal {
  const start = cursor.next.start;
  const expression = parseLiteralExpression(cursor);
  const replacements: Replacement[] = [];
  while (cursor.isKeyword("with")) {
    replacements.push(parseReplacement(cursor));
  }
  return { expression, replacements, start, end: cursor.previousEnd };
}

function parseReplacement(cursor: TokenCursor): Replacement {
  const { start } = cursor.take();
  const target = parsePostfix(cursor);
  if (!cursor.takeKeyword("as")) {
    throw cursor.unexpected('"as" after the target of "with"');
  }
  const value = parseTerm(cursor);
  const path = target.kind === "reference" ? [target.head, ...target.path] : [target];
  return { target: path, value, start, end: cursor.previousEnd };
}

function parseLiteralExpression(cursor: TokenCursor): Expression {
  if (cursor.takeKeyword("some")) {
    return parseSome(cursor);
  }
  if (cursor.takeKeyword("every")) {
    return parseEvery(cursor);
  }
  if (cursor.takeKeyword("not")) {
    return { kind: "not", expression: cursor.nested(() => parseStatement(cursor)) };
  }
  return parseStatement(cursor);
}

function parseStatement(cursor: TokenCursor): Expression {
  const left = parseMembership(cursor);
  if (cursor.takeSymbol(":=")) {
    return { kind: "assign", target: left, value: parseMembership(cursor) };
  }
  if (cursor.takeSymbol("=")) {
    return { kind: "unify", left, right: parseMembership(cursor) };
  }
  return { kind: "term", term: left };
}

function parseSome(cursor: TokenCursor): Expression {
  const terms: Term[] = [];
  do {
    terms.push(parseInfix(cursor, comparisonLevel));
  } while (cursor.takeSymbol(","));
  const [first, second] = terms;
  if (cursor.takeKeyword("in")) {
    const domain = parseTerm(cursor);
    if (first === undefined || terms.length > 2) {
      throw cursor.fault('"some … in" takes a value, or a key and a value', domain.start);
    }
    return second === undefined
      ? { kind: "some", value: first, domain }
      : { kind: "some", key: first, value: second, domain };
  }
  const names = terms.map((term) => {
    if (term.kind !== "variable") {
      throw cursor.fault('expected a variable after "some"', term.start);
    }
    return term;
  });
  return { kind: "declare", names };
}

function parseEvery(cursor: TokenCursor): Expression {
  let key: VariableTerm | undefined;
  let value = parseVariable(cursor);
  if (cursor.takeSymbol(",")) {
    key = value;
    value = parseVariable(cursor);
  }
  if (!cursor.takeKeyword("in")) {
    throw cursor.unexpected('"in" after the variables of "every"');
  }
  const domain = parseTerm(cursor);
  const body = parseBlock(cursor, 'to open the body of "every"');
  return key === undefined ? { kind: "every", value, domain, body } : { kind: "every", key, value, domain, body };
}

function parseVariable(cursor: TokenCursor): VariableTerm {
  const start = cursor.next.start;
  const name = cursor.expectName("a variable");
  return { kind: "variable", name, start, end: cursor.previousEnd };
}
