/** GraphQL text from syntax trees in gqlparser's shape, so that a policy can hand in a tree where a text may stand. */
import { isArray, RegoObject, type Value } from "../value.ts";
import { ValueKind } from "./graphql-ast.ts";

function member(tree: Value, name: string): Value | undefined {
  return tree instanceof RegoObject ? tree.get(name) : undefined;
}

function text(tree: Value, name: string): string {
  const value = member(tree, name);
  return typeof value === "string" ? value : "";
}

/** A name of the tree. Anything else would let a string of the tree become syntax. */
function nameOf(tree: Value, name: string): string {
  const value = text(tree, name);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) throw new TypeError(`${name} is not a name`);
  return value;
}

function items(tree: Value, name: string): readonly Value[] {
  const value = member(tree, name);
  return value !== undefined && isArray(value) ? value : [];
}

function nameList(tree: Value, name: string): readonly string[] {
  return items(tree, name).map((item) => nameOf(RegoObject.from([["Name", item]]), "Name"));
}

function wrapped(open: string, parts: readonly string[], close: string): string {
  return parts.length === 0 ? "" : `${open}${parts.join(" ")}${close}`;
}

/** The text of a tree that graphql.parse_query gives. Throws TypeError for a malformed tree. */
export function printQueryTree(tree: Value): string {
  const operations = items(tree, "Operations").map((operation) => {
    const name = text(operation, "Name") === "" ? "" : nameOf(operation, "Name");
    const variables = wrapped("(", items(operation, "VariableDefinitions").map(printVariable), ")");
    return `${nameOf(operation, "Operation")} ${name}${variables}${printDirectives(operation)}${printSelections(operation)}`;
  });
  const fragments = items(tree, "Fragments").map((fragment) => {
    const variables = wrapped("(", items(fragment, "VariableDefinition").map(printVariable), ")");
    const head = `fragment ${nameOf(fragment, "Name")}${variables} on ${nameOf(fragment, "TypeCondition")}`;
    return `${head}${printDirectives(fragment)}${printSelections(fragment)}`;
  });
  return [...operations, ...fragments].join("\n");
}

function printVariable(variable: Value): string {
  const type = printType(member(variable, "Type") ?? null);
  return `$${nameOf(variable, "Variable")}: ${type}${printDefault(variable)}${printDirectives(variable)}`;
}

function printSelections(tree: Value): string {
  return wrapped(" { ", items(tree, "SelectionSet").map(printSelection), " }");
}

function printSelection(selection: Value): string {
  const rest = `${printDirectives(selection)}${printSelections(selection)}`;
  if (member(selection, "Alias") !== undefined) {
    const argumentText = wrapped("(", items(selection, "Arguments").map(printArgument), ")");
    return `${nameOf(selection, "Alias")}: ${nameOf(selection, "Name")}${argumentText}${rest}`;
  }
  if (member(selection, "Name") !== undefined) return `... ${nameOf(selection, "Name")}${rest}`;
  return text(selection, "TypeCondition") === "" ? `...${rest}` : `... on ${nameOf(selection, "TypeCondition")}${rest}`;
}

function printArgument(argument: Value): string {
  return `${nameOf(argument, "Name")}: ${printValue(member(argument, "Value") ?? null)}`;
}

function printDirectives(tree: Value): string {
  return items(tree, "Directives")
    .map((directive) => {
      const argumentText = wrapped("(", items(directive, "Arguments").map(printArgument), ")");
      return ` @${nameOf(directive, "Name")}${argumentText}`;
    })
    .join("");
}

function printType(type: Value): string {
  const element = member(type, "Elem");
  const inner = element === undefined ? nameOf(type, "NamedType") : `[${printType(element)}]`;
  return member(type, "NonNull") === true ? `${inner}!` : inner;
}

function printDefault(tree: Value): string {
  const value = member(tree, "DefaultValue");
  return value === undefined ? "" : ` = ${printValue(value)}`;
}

function printValue(value: Value): string {
  const raw = text(value, "Raw");
  switch (member(value, "Kind")) {
    case ValueKind.variable:
      return `$${nameOf(value, "Raw")}`;
    case ValueKind.string:
    case ValueKind.block:
      return JSON.stringify(raw);
    case ValueKind.int:
    case ValueKind.float:
      if (!/^-?[0-9][0-9.eE+-]*$/.test(raw)) throw new TypeError("Raw is not a number");
      return raw;
    case ValueKind.list:
      return `[${items(value, "Children")
        .map((child) => printValue(member(child, "Value") ?? null))
        .join(" ")}]`;
    case ValueKind.object:
      return `{${items(value, "Children").map(printArgument).join(" ")}}`;
    default:
      return nameOf(value, "Raw");
  }
}

/** The text of a tree that graphql.parse_schema gives. Throws TypeError for a malformed tree. */
export function printSchemaTree(tree: Value): string {
  return [
    ...items(tree, "Schema").map((schema) => `schema${printSchemaBody(schema)}`),
    ...items(tree, "SchemaExtension").map((schema) => `extend schema${printSchemaBody(schema)}`),
    ...items(tree, "Directives").map(printDirectiveDefinition),
    ...items(tree, "Definitions").map(printTypeDefinition),
    ...items(tree, "Extensions").map((extension) => `extend ${printTypeDefinition(extension)}`),
  ].join("\n");
}

function printSchemaBody(schema: Value): string {
  const types = items(schema, "OperationTypes").map((type) => `${nameOf(type, "Operation")}: ${nameOf(type, "Type")}`);
  return `${printDirectives(schema)}${wrapped(" { ", types, " }")}`;
}

function printDirectiveDefinition(directive: Value): string {
  const parameters = wrapped("(", items(directive, "Arguments").map(printField), ")");
  const repeatable = member(directive, "IsRepeatable") === true ? " repeatable" : "";
  return `directive @${nameOf(directive, "Name")}${parameters}${repeatable} on ${nameList(directive, "Locations").join(" | ")}`;
}

const keywords: Readonly<Record<string, string>> = {
  SCALAR: "scalar",
  OBJECT: "type",
  INTERFACE: "interface",
  UNION: "union",
  ENUM: "enum",
  INPUT_OBJECT: "input",
};

function printTypeDefinition(definition: Value): string {
  const keyword = keywords[text(definition, "Kind")];
  if (keyword === undefined) throw new TypeError("unknown Kind of type");
  const interfaces = nameList(definition, "Interfaces");
  const implemented = interfaces.length === 0 ? "" : ` implements ${interfaces.join(" & ")}`;
  const types = nameList(definition, "Types");
  const union = types.length === 0 ? "" : ` = ${types.join(" | ")}`;
  const values = items(definition, "EnumValues").map((value) => `${nameOf(value, "Name")}${printDirectives(value)}`);
  const fields = items(definition, "Fields").map(printField);
  const head = `${keyword} ${nameOf(definition, "Name")}${implemented}${printDirectives(definition)}${union}`;
  return `${head}${wrapped(" { ", [...fields, ...values], " }")}`;
}

function printField(field: Value): string {
  const parameters = wrapped("(", items(field, "Arguments").map(printField), ")");
  const type = printType(member(field, "Type") ?? null);
  return `${nameOf(field, "Name")}${parameters}: ${type}${printDefault(field)}${printDirectives(field)}`;
}
