import { describe, expect, test } from "vitest";
import { printQueryTree, printSchemaTree } from "../../../guest/rego/builtins/graphql-print.ts";
import { equal, RegoObject, type Value } from "../../../guest/rego/value.ts";
import { call, object, value } from "./call.ts";

const schema = `
  "A directive" directive @mark(level: Int = 3) repeatable on OBJECT | FIELD
  interface Named { name: String! }
  type Person implements Named { name: String!, friends(first: Int = 10, kinds: [Kind!]): [Person] }
  enum Kind { CLOSE FAR @deprecated }
  union Thing = Person
  input Filter { kind: Kind = CLOSE }
  scalar Date
  type Query { person(id: ID!): Person }
  extend type Person { born: Date }
  extend schema { query: Query }
`;

const query = `
  query Find($id: ID!, $kinds: [Kind!] = [CLOSE]) @mark { p: person(id: $id) { ...names friends(first: -1) { name } } }
  fragment names on Person { name ... on Named { name } ... @mark(level: 2) { born } }
  mutation { f(a: "q\\"", b: """block""", c: { d: [1.5, null, true] }) }
`;

describe("a tree can stand where a text may", () => {
  test("a query printed from its tree has the same tree", () => {
    const tree = call("graphql.parse_query", query) ?? null;
    const again = call("graphql.parse_query", printQueryTree(tree).replace('"block"', '"""block"""')) ?? null;
    expect(equal(again, tree)).toBe(true);
  });

  test("a schema printed from its tree has the same tree, but for descriptions", () => {
    const tree = call("graphql.parse_schema", schema.replace('"A directive" ', "")) ?? null;
    expect(equal(call("graphql.parse_schema", printSchemaTree(tree)) ?? null, tree)).toBe(true);
  });

  test("a string of a tree can't become syntax", () => {
    const field = value({ Alias: "a", Name: "a } } fragment x on Y { z" });
    const tree = object(["Operations", [value({ Name: "", Operation: "query" }), field] as Value[]]);
    expect(() => printQueryTree(tree)).toThrow(TypeError);
    expect(call("graphql.is_valid", tree, schema)).toBe(false);
  });
});

test("queries are checked against the schema", () => {
  expect(call("graphql.is_valid", "{ person(id: 1) { name } }", schema)).toBe(true);
  expect(call("graphql.is_valid", "{ person { name } }", schema)).toBe(false);
  expect(call("graphql.is_valid", "{ person(id: 1) { age } }", schema)).toBe(false);
  expect(call("graphql.is_valid", "", schema)).toBe(true);
  expect(call("graphql.schema_is_valid", "type A { b: Missing }")).toBe(false);
  expect(call("graphql.parse_and_verify", "{", schema)).toEqual([false, new RegoObject(), new RegoObject()]);
});
