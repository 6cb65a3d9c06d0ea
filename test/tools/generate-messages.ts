/**
 * Writes guest/rpc/messages/*.ts from proto/*.proto: an interface and a schema for each message, constants for each enum,
 * a definition for each service. `npm run gen` runs it; test/rpc/messages.test.ts fails when its output differs from what
 * is there.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const messagesFolder = join(root, "guest/rpc/messages");
const protoFolder = join(root, "proto");

/** Where messages of google.protobuf that the protos import end up. */
const wellKnownFile = "well-known.ts";

const numberTypes = new Set(["int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double"]);
const bigintTypes = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);

/**
 * The sources of all generated files.
 *
 * @returns file name within {@link messagesFolder} to formatted TypeScript
 */
export function generateMessages(): Map<string, string> {
  const { parsed, fileOf } = loadProtos();
  const sources = new Map<string, string>();
  for (const [file, objects] of groupByFile(parsed, fileOf)) {
    sources.set(file, format(file, renderFile(file, objects, fileOf)));
  }
  return sources;
}

type Declaration = protobuf.Type | protobuf.Enum | protobuf.Service;
type FileOf = ReadonlyMap<protobuf.ReflectionObject, string>;

function loadProtos(): { parsed: protobuf.Root; fileOf: FileOf } {
  const parsed = new protobuf.Root();
  const fileOf = new Map<protobuf.ReflectionObject, string>();
  const options = { keepCase: true, alternateCommentMode: true };
  for (const wellKnown of ["google/protobuf/any.proto", "google/protobuf/empty.proto"]) {
    const json = protobuf.common.get(wellKnown);
    if (json?.nested === undefined) throw new Error(`protobufjs does not know ${wellKnown}`);
    parsed.addJSON(json.nested);
    assignNewDeclarations(parsed, fileOf, wellKnownFile);
  }
  for (const name of readdirSync(protoFolder).sort()) {
    protobuf.parse(readFileSync(join(protoFolder, name), "utf8"), parsed, options);
    assignNewDeclarations(parsed, fileOf, `${basename(name, ".proto")}.ts`);
  }
  parsed.resolveAll();
  return { parsed, fileOf };
}

function assignNewDeclarations(
  parsed: protobuf.Root,
  fileOf: Map<protobuf.ReflectionObject, string>,
  file: string,
): void {
  for (const declaration of declarationsIn(parsed)) if (!fileOf.has(declaration)) fileOf.set(declaration, file);
}

/** Every message, enum and service, in the order of the source, what is nested before what holds it. */
function declarationsIn(namespace: protobuf.NamespaceBase): Declaration[] {
  return namespace.nestedArray.flatMap((object) => {
    const inner = object instanceof protobuf.Namespace ? declarationsIn(object) : [];
    const isDeclaration =
      object instanceof protobuf.Type || object instanceof protobuf.Enum || object instanceof protobuf.Service;
    return isDeclaration ? [...inner, object] : inner;
  });
}

function groupByFile(parsed: protobuf.Root, fileOf: FileOf): Map<string, Declaration[]> {
  const groups = new Map<string, Declaration[]>();
  for (const declaration of declarationsIn(parsed)) {
    const file = fileOf.get(declaration) ?? wellKnownFile;
    groups.set(file, [...(groups.get(file) ?? []), declaration]);
  }
  return groups;
}

function renderFile(file: string, declarations: readonly Declaration[], fileOf: FileOf): string {
  const messages = declarations.filter((declaration) => declaration instanceof protobuf.Type);
  const services = declarations.filter((declaration) => declaration instanceof protobuf.Service);
  const origin = file === wellKnownFile ? "google.protobuf" : `proto/${basename(file, ".ts")}.proto`;
  const sections = [`// Generated from ${origin} by \`npm run gen\`. Do not edit.`, renderImports()];
  for (const declaration of declarations) {
    if (declaration instanceof protobuf.Enum) sections.push(renderEnum(declaration));
    if (declaration instanceof protobuf.Type) sections.push(renderInterface(declaration), renderSchema(declaration));
  }
  // Services name the schemas themselves, so these have to exist before.
  for (const service of services) sections.push(renderService(service));
  return sections.join("\n\n");

  function renderImports(): string {
    const used = new Map<string, Set<string>>();
    for (const type of [...messages.flatMap(messagesOfFields), ...services.flatMap(messagesOfMethods)]) {
      const from = fileOf.get(type) ?? wellKnownFile;
      if (from !== file) used.set(from, (used.get(from) ?? new Set()).add(typescriptName(type)));
    }
    return [
      services.length > 0 ? `import type { ServiceDefinition } from "../method.ts";` : "",
      messages.length > 0 ? `import type { MessageSchema } from "../protobuf/schema.ts";` : "",
      ...[...used].sort().map(([from, names]) => `import { ${[...names].sort().join(", ")} } from "./${from}";`),
    ].join("\n");
  }
}

function messagesOfFields(type: protobuf.Type): protobuf.Type[] {
  return type.fieldsArray.flatMap((field) => (field.resolvedType instanceof protobuf.Type ? [field.resolvedType] : []));
}

function messagesOfMethods(service: protobuf.Service): protobuf.Type[] {
  return service.methodsArray.flatMap(({ resolvedRequestType, resolvedResponseType }) =>
    [resolvedRequestType, resolvedResponseType].filter((type) => type !== null),
  );
}

function renderEnum(declaration: protobuf.Enum): string {
  const values = Object.entries(declaration.values).map(([name, value]) => `${name}: ${value}`);
  return `${comment(declaration)}export const ${typescriptName(declaration)} = { ${values.join(", ")} } as const;`;
}

function renderInterface(type: protobuf.Type): string {
  const name = typescriptName(type);
  if (type.fieldsArray.length === 0) return `${comment(type)}export type ${name} = Readonly<Record<string, never>>;`;
  const members = fieldsByNumber(type).map(
    (field) => `${comment(field)}readonly ${field.name}: ${typescriptType(field)};`,
  );
  return `${comment(type)}export interface ${name} {\n${members.join("\n")}\n}`;
}

function typescriptType(field: protobuf.Field): string {
  const single = singleType(field);
  if (field instanceof protobuf.MapField) return `Readonly<Record<string, ${single}>>`;
  if (field.repeated) return `readonly ${single}[]`;
  const canBeAbsent = field.resolvedType instanceof protobuf.Type || field.partOf !== null;
  return canBeAbsent ? `${single} | null` : single;
}

function singleType(field: protobuf.Field): string {
  if (field.resolvedType instanceof protobuf.Type) return typescriptName(field.resolvedType);
  if (field.resolvedType instanceof protobuf.Enum || numberTypes.has(field.type)) return "number";
  if (bigintTypes.has(field.type)) return "bigint";
  if (field.type === "bool") return "boolean";
  return field.type === "bytes" ? "Uint8Array" : "string";
}

function renderSchema(type: protobuf.Type): string {
  const name = typescriptName(type);
  const fields = fieldsByNumber(type).map(renderField);
  return `export const ${name}: MessageSchema<${name}> = {
    fullName: ${JSON.stringify(fullName(type))},
    fields: [${fields.join(", ")}],
  };`;
}

function renderField(field: protobuf.Field): string {
  const type =
    field.resolvedType instanceof protobuf.Type
      ? `() => ${typescriptName(field.resolvedType)}`
      : `"${field.resolvedType === null ? field.type : "enum"}"`;
  const more = field instanceof protobuf.MapField ? `, mapKey: "${field.keyType}"` : "";
  const oneof = labelOf(field) === "oneof" ? `, oneof: "${field.partOf?.name}"` : "";
  return `{ name: "${field.name}", number: ${field.id}, type: ${type}, label: "${labelOf(field)}"${more}${oneof} }`;
}

/** The label as guest/rpc/protobuf/schema.ts names it. */
function labelOf(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) return "map";
  if (field.repeated) return "repeated";
  if (field.partOf === null) return "singular";
  return field.partOf.isProto3Optional ? "optional" : "oneof";
}

function renderService(service: protobuf.Service): string {
  const name = JSON.stringify(fullName(service));
  const methods = service.methodsArray.map((method) => {
    const { resolvedRequestType: request, resolvedResponseType: response } = method;
    if (request === null || response === null) throw new Error(`${method.fullName} has an unknown type`);
    return `${comment(method)}${method.name}: { service: ${name}, name: "${method.name}", request: ${typescriptName(request)}, response: ${typescriptName(response)} },`;
  });
  return `${comment(service)}export const ${service.name} = {
    name: ${name},
    methods: {\n${methods.join("\n")}\n},
  } as const satisfies ServiceDefinition;`;
}

function fieldsByNumber(type: protobuf.Type): protobuf.Field[] {
  return [...type.fieldsArray].sort((a, b) => a.id - b.id);
}

function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, "");
}

/** A nested declaration is named by all the names that it is within: HealthCheckResponseServingStatus. */
function typescriptName(object: protobuf.ReflectionObject): string {
  const { parent } = object;
  return parent instanceof protobuf.Type ? typescriptName(parent) + object.name : object.name;
}

function comment(object: protobuf.ReflectionObject): string {
  return object.comment ? `/** ${object.comment.replaceAll("\n", " ")} */\n` : "";
}

function format(file: string, source: string): string {
  const biome = join(root, "node_modules/.bin/biome");
  const name = join(messagesFolder, file);
  return execFileSync(biome, ["check", "--write", `--stdin-file-path=${name}`], {
    input: source,
    cwd: root,
    encoding: "utf8",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, source] of generateMessages()) writeFileSync(join(messagesFolder, file), source);
}
