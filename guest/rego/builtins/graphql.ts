/** The graphql.* built-ins, on the `graphql` package. */
import {
  buildASTSchema,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  Kind,
  parse,
  type TypeExtensionNode,
  validate,
  validateSchema,
} from "graphql";
import { RegoObject, type Value } from "../value.ts";
import { isTypeDefinition, isTypeExtension, queryToValue, schemaToValue } from "./graphql-ast.ts";
import { printQueryTree, printSchemaTree } from "./graphql-print.ts";
import { maxGraphqlTokens } from "./limits.ts";
import { any, builtin, chargeText, operandError, string, valueError } from "./operands.ts";
import { type Builtin, type BuiltinContext, BuiltinError } from "./types.ts";

const emptyDocument: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

/** Parses a text, or the text of a tree. A text without definitions is an empty document. */
function parseOperand(
  name: string,
  context: BuiltinContext,
  operand: Value,
  position: number,
  printTree: (tree: Value) => string,
): DocumentNode {
  if (typeof operand !== "string" && !(operand instanceof RegoObject)) {
    throw operandError(name, position, "one of {string, object}", operand);
  }
  const text = typeof operand === "string" ? operand : rejecting(name, () => printTree(operand));
  chargeText(context, 16 * text.length);
  return rejecting(name, () => {
    if (/^(?:[\s,\ufeff]|#[^\n]*)*$/.test(text)) return emptyDocument;
    return parse(text, { noLocation: true, maxTokens: maxGraphqlTokens, experimentalFragmentArguments: true });
  });
}

/**
 * Turns the library's ways to say that a document is malformed into a built-in error: GraphQLError, Error, and RangeError
 * since it recurses and a deeply nested text exhausts its stack. `run` must do nothing else that can fail.
 */
function rejecting<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof Error) throw valueError(name, cause.message.slice(0, 512), cause);
    throw cause;
  }
}

function parseQuery(name: string, context: BuiltinContext, operand: Value): DocumentNode {
  const document = parseOperand(name, context, operand, 1, printQueryTree);
  const isExecutable = document.definitions.every(
    ({ kind }) => kind === Kind.OPERATION_DEFINITION || kind === Kind.FRAGMENT_DEFINITION,
  );
  if (!isExecutable) throw valueError(name, "unexpected definition of a type in GraphQL query");
  return document;
}

function parseSchema(name: string, context: BuiltinContext, operand: Value, position: number): DocumentNode {
  const document = parseOperand(name, context, operand, position, printSchemaTree);
  const isSchema = document.definitions.every(
    ({ kind }) => kind !== Kind.OPERATION_DEFINITION && kind !== Kind.FRAGMENT_DEFINITION,
  );
  if (!isSchema) throw valueError(name, "unexpected operation in GraphQL schema");
  return document;
}

/** Builds and checks a schema. As in gqlparser an extension may stand without what it extends, and Query may be missing. */
function buildSchema(name: string, document: DocumentNode): GraphQLSchema {
  return rejecting(name, () => {
    const schema = buildASTSchema({ ...document, definitions: withExtendedTypes(document.definitions) });
    const errors = validateSchema(schema).filter((error) => error.message !== "Query root type must be provided.");
    if (errors[0] !== undefined) throw errors[0];
    return schema;
  });
}

/** The first extension of a type that has no definition becomes its definition. */
function withExtendedTypes(definitions: readonly DefinitionNode[]): readonly DefinitionNode[] {
  const defined = new Set(definitions.filter(isTypeDefinition).map((definition) => definition.name.value));
  return definitions.map((definition) => {
    if (!isTypeExtension(definition) || defined.has(definition.name.value)) return definition;
    defined.add(definition.name.value);
    return asDefinition(definition);
  });
}

function asDefinition(extension: TypeExtensionNode): DefinitionNode {
  const kind = extension.kind.replace("Extension", "Definition");
  // An extension has the members of the definition of its kind, but for the description, which is optional.
  return { ...extension, kind } as DefinitionNode;
}

/** Throws BuiltinError if the query does not fit the schema. */
function verify(name: string, context: BuiltinContext, query: DocumentNode, schemaDocument: DocumentNode): void {
  const schema = buildSchema(name, schemaDocument);
  if (query.definitions.length === 0) return;
  context.charge(maxGraphqlTokens);
  const [error] = rejecting(name, () => validate(schema, query, undefined, { maxErrors: 1 }));
  if (error !== undefined) throw valueError(name, `${error.message} in GraphQL string`, error);
}

function holds(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (cause) {
    if (cause instanceof BuiltinError && cause.code === "eval_builtin_error") return false;
    throw cause;
  }
}

function parseBoth(name: string, context: BuiltinContext, query: Value, schema: Value): Value[] {
  const queryDocument = parseQuery(name, context, query);
  const schemaDocument = parseSchema(name, context, schema, 2);
  verify(name, context, queryDocument, schemaDocument);
  return [queryToValue(queryDocument), schemaToValue(schemaDocument)];
}

function parseAndVerify(context: BuiltinContext, query: Value, schema: Value): Value {
  let trees: Value[] = [new RegoObject(), new RegoObject()];
  const isValid = holds(() => {
    trees = parseBoth("graphql.parse_and_verify", context, query, schema);
  });
  return [isValid, ...trees];
}

export const graphqlBuiltins: readonly Builtin[] = [
  builtin("graphql.parse", [any, any], (context, query, schema) => parseBoth("graphql.parse", context, query, schema)),
  builtin("graphql.parse_and_verify", [any, any], parseAndVerify),
  builtin("graphql.parse_query", [string], (context, text) =>
    queryToValue(parseQuery("graphql.parse_query", context, text)),
  ),
  builtin("graphql.parse_schema", [string], (context, text) =>
    schemaToValue(parseSchema("graphql.parse_schema", context, text, 1)),
  ),
  builtin("graphql.is_valid", [any, any], (context, query, schema) =>
    holds(() => {
      parseBoth("graphql.is_valid", context, query, schema);
    }),
  ),
  builtin("graphql.schema_is_valid", [any], (context, schema) =>
    holds(() => {
      const name = "graphql.schema_is_valid";
      buildSchema(name, parseSchema(name, context, schema, 1));
    }),
  ),
];
