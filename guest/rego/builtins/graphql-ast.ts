/** Syntax trees of GraphQL in the shape that OPA gives them, which is gqlparser's. Members without a value are left out. */
import type {
  ConstDirectiveNode,
  ConstValueNode,
  DefinitionNode,
  DirectiveDefinitionNode,
  DirectiveNode,
  DocumentNode,
  EnumValueDefinitionNode,
  FieldDefinitionNode,
  FragmentDefinitionNode,
  InputValueDefinitionNode,
  NamedTypeNode,
  OperationDefinitionNode,
  OperationTypeDefinitionNode,
  SchemaDefinitionNode,
  SchemaExtensionNode,
  SelectionNode,
  SelectionSetNode,
  TypeDefinitionNode,
  TypeExtensionNode,
  TypeNode,
  ValueNode,
  VariableDefinitionNode,
} from "graphql";
import { RegoObject, type Value } from "../value.ts";

/** gqlparser's numbers for the kinds of values. */
export const ValueKind = {
  variable: 0,
  int: 1,
  float: 2,
  string: 3,
  block: 4,
  boolean: 5,
  null: 6,
  enum: 7,
  list: 8,
  object: 9,
} as const;

/** An object of the members that have a value; undefined and empty lists are left out. */
function node(members: Readonly<Record<string, Value | undefined>>): RegoObject {
  const object = new RegoObject();
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) object.set(name, value);
  }
  return object;
}

function list<T>(nodes: readonly T[] | undefined, convert: (item: T) => Value): readonly Value[] {
  return (nodes ?? []).map(convert);
}

const names = (nodes: readonly NamedTypeNode[] | undefined) => list(nodes, (type) => type.name.value);

/** The tree of a document with operations and fragments. */
export function queryToValue(document: DocumentNode): Value {
  const operations = document.definitions.filter((definition) => definition.kind === "OperationDefinition");
  const fragments = document.definitions.filter((definition) => definition.kind === "FragmentDefinition");
  return node({ Operations: list(operations, operationToValue), Fragments: list(fragments, fragmentToValue) });
}

function operationToValue(operation: OperationDefinitionNode): Value {
  return node({
    Operation: operation.operation,
    Name: operation.name?.value ?? "",
    VariableDefinitions: list(operation.variableDefinitions, variableToValue),
    Directives: list(operation.directives, directiveToValue),
    SelectionSet: selections(operation.selectionSet),
  });
}

function fragmentToValue(fragment: FragmentDefinitionNode): Value {
  return node({
    Name: fragment.name.value,
    VariableDefinition: list(fragment.variableDefinitions, variableToValue),
    TypeCondition: fragment.typeCondition.name.value,
    Directives: list(fragment.directives, directiveToValue),
    SelectionSet: selections(fragment.selectionSet),
  });
}

function variableToValue(variable: VariableDefinitionNode): Value {
  return node({
    Variable: variable.variable.name.value,
    Type: typeToValue(variable.type),
    DefaultValue: variable.defaultValue && valueToValue(variable.defaultValue),
    Directives: list(variable.directives, directiveToValue),
    Used: false,
  });
}

function selections(set: SelectionSetNode | undefined): readonly Value[] {
  return list(set?.selections, selectionToValue);
}

function selectionToValue(selection: SelectionNode): Value {
  const directives = list(selection.directives, directiveToValue);
  switch (selection.kind) {
    case "Field":
      return node({
        Alias: selection.alias?.value ?? selection.name.value,
        Name: selection.name.value,
        Arguments: list(selection.arguments, argumentToValue),
        Directives: directives,
        SelectionSet: selections(selection.selectionSet),
      });
    case "FragmentSpread":
      return node({ Name: selection.name.value, Directives: directives });
    case "InlineFragment":
      return node({
        TypeCondition: selection.typeCondition?.name.value ?? "",
        Directives: directives,
        SelectionSet: selections(selection.selectionSet),
      });
  }
}

function directiveToValue(directive: DirectiveNode | ConstDirectiveNode): Value {
  return node({ Name: directive.name.value, Arguments: list(directive.arguments, argumentToValue), Location: "" });
}

function argumentToValue(argument: { readonly name: { readonly value: string }; readonly value: ValueNode }): Value {
  return node({ Name: argument.name.value, Value: valueToValue(argument.value) });
}

function typeToValue(type: TypeNode): Value {
  const inner = type.kind === "NonNullType" ? type.type : type;
  const nonNull = type.kind === "NonNullType";
  if (inner.kind === "NamedType") return node({ NamedType: inner.name.value, NonNull: nonNull });
  return node({ NamedType: "", Elem: typeToValue(inner.type), NonNull: nonNull });
}

function valueToValue(value: ValueNode | ConstValueNode): Value {
  const [kind, raw] = rawValue(value);
  const children =
    value.kind === "ListValue"
      ? value.values.map((item) => node({ Name: "", Value: valueToValue(item) }))
      : value.kind === "ObjectValue"
        ? value.fields.map((field) => node({ Name: field.name.value, Value: valueToValue(field.value) }))
        : [];
  return node({ Kind: kind, Raw: raw, Children: children, ExpectedTypeHasDefault: false });
}

function rawValue(value: ValueNode): readonly [number, string] {
  switch (value.kind) {
    case "Variable":
      return [ValueKind.variable, value.name.value];
    case "IntValue":
      return [ValueKind.int, value.value];
    case "FloatValue":
      return [ValueKind.float, value.value];
    case "StringValue":
      return [value.block === true ? ValueKind.block : ValueKind.string, value.value];
    case "BooleanValue":
      return [ValueKind.boolean, String(value.value)];
    case "NullValue":
      return [ValueKind.null, "null"];
    case "EnumValue":
      return [ValueKind.enum, value.value];
    case "ListValue":
      return [ValueKind.list, ""];
    case "ObjectValue":
      return [ValueKind.object, ""];
  }
}

type SchemaNode = SchemaDefinitionNode | SchemaExtensionNode;
type TypeSystemNode = TypeDefinitionNode | TypeExtensionNode;

/** The tree of a schema document. */
export function schemaToValue(document: DocumentNode): Value {
  const groups = { Schema: [], SchemaExtension: [], Directives: [], Definitions: [], Extensions: [] } satisfies Record<
    string,
    Value[]
  > as Record<"Schema" | "SchemaExtension" | "Directives" | "Definitions" | "Extensions", Value[]>;
  for (const definition of document.definitions) {
    if (definition.kind === "SchemaDefinition") groups.Schema.push(schemaNodeToValue(definition));
    else if (definition.kind === "SchemaExtension") groups.SchemaExtension.push(schemaNodeToValue(definition));
    else if (definition.kind === "DirectiveDefinition") groups.Directives.push(directiveDefinitionToValue(definition));
    else if (isTypeExtension(definition)) groups.Extensions.push(typeDefinitionToValue(definition));
    else if (isTypeDefinition(definition)) groups.Definitions.push(typeDefinitionToValue(definition));
  }
  return node(groups);
}

/** Whether the definition adds to a type. */
export function isTypeExtension(definition: DefinitionNode): definition is TypeExtensionNode {
  return definition.kind.endsWith("TypeExtension");
}

/** Whether the definition defines a type. */
export function isTypeDefinition(definition: DefinitionNode): definition is TypeDefinitionNode {
  return definition.kind.endsWith("TypeDefinition");
}

function schemaNodeToValue(schema: SchemaNode): Value {
  return node({
    Description: ("description" in schema ? schema.description?.value : undefined) ?? "",
    Directives: list(schema.directives, directiveToValue),
    OperationTypes: list(schema.operationTypes, operationTypeToValue),
  });
}

function operationTypeToValue(type: OperationTypeDefinitionNode): Value {
  return node({ Operation: type.operation, Type: type.type.name.value });
}

function directiveDefinitionToValue(directive: DirectiveDefinitionNode): Value {
  return node({
    Description: directive.description?.value ?? "",
    Name: directive.name.value,
    Arguments: list(directive.arguments, inputToValue),
    Locations: list(directive.locations, (location) => location.value),
    IsRepeatable: directive.repeatable,
  });
}

const kindNames: Readonly<Record<string, string>> = {
  Scalar: "SCALAR",
  Object: "OBJECT",
  Interface: "INTERFACE",
  Union: "UNION",
  Enum: "ENUM",
  InputObject: "INPUT_OBJECT",
};

function typeDefinitionToValue(definition: TypeSystemNode): Value {
  return node({
    Kind: kindNames[definition.kind.replace(/Type(?:Definition|Extension)$/, "")],
    Description: ("description" in definition ? definition.description?.value : undefined) ?? "",
    Name: definition.name.value,
    Directives: list(definition.directives, directiveToValue),
    Interfaces: "interfaces" in definition ? names(definition.interfaces) : undefined,
    Fields:
      "fields" in definition
        ? list<FieldDefinitionNode | InputValueDefinitionNode>(definition.fields, fieldToValue)
        : undefined,
    Types: "types" in definition ? names(definition.types) : undefined,
    EnumValues: "values" in definition ? list(definition.values, enumValueToValue) : undefined,
    BuiltIn: false,
  });
}

function fieldToValue(field: FieldDefinitionNode | InputValueDefinitionNode): Value {
  if (field.kind === "InputValueDefinition") return inputToValue(field);
  return node({
    Description: field.description?.value ?? "",
    Name: field.name.value,
    Arguments: list(field.arguments, inputToValue),
    Type: typeToValue(field.type),
    Directives: list(field.directives, directiveToValue),
  });
}

function inputToValue(input: InputValueDefinitionNode): Value {
  return node({
    Description: input.description?.value ?? "",
    Name: input.name.value,
    DefaultValue: input.defaultValue && valueToValue(input.defaultValue),
    Type: typeToValue(input.type),
    Directives: list(input.directives, directiveToValue),
  });
}

function enumValueToValue(value: EnumValueDefinitionNode): Value {
  return node({
    Description: value.description?.value ?? "",
    Name: value.name.value,
    Directives: list(value.directives, directiveToValue),
  });
}
