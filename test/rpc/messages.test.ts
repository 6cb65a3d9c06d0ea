import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as agent from "../../guest/rpc/messages/agent.ts";
import * as attestation from "../../guest/rpc/messages/attestation.ts";
import * as dataHub from "../../guest/rpc/messages/confidential-data-hub.ts";
import * as csi from "../../guest/rpc/messages/csi.ts";
import * as health from "../../guest/rpc/messages/health.ts";
import * as keyprovider from "../../guest/rpc/messages/keyprovider.ts";
import * as oci from "../../guest/rpc/messages/oci.ts";
import * as types from "../../guest/rpc/messages/types.ts";
import type { MethodDefinition, ServiceDefinition } from "../../guest/rpc/method.ts";
import type { FieldSchema, MessageSchema } from "../../guest/rpc/protobuf/schema.ts";
import { generateMessages, messagesFolder } from "../tools/generate-messages.ts";

const specFolder = fileURLToPath(new URL("../../../shared/spec", import.meta.url));
const specIsHere = existsSync(specFolder);
const whyNot = specIsHere ? "" : " (skipped: the field tables are not part of the repository and not beside it)";

const modules = [agent, oci, types, csi, health, attestation, dataHub, keyprovider];
const declarations = modules.flatMap((module) => Object.entries<unknown>(module));
const schemas = new Map(declarations.flatMap(([, value]) => (isSchema(value) ? [[value.fullName, value]] : [])));
const services = new Map(declarations.flatMap(([, value]) => (isService(value) ? [[value.name, value]] : [])));
const enums = new Map(declarations.flatMap(([name, value]) => (isEnum(value) ? [[name, value]] : [])));

test("the generated files are what the generator makes of proto/ now", () => {
  const generated = generateMessages();
  expect([...generated.keys()].sort()).toEqual(readdirSync(messagesFolder).sort());
  for (const [file, source] of generated) expect(readFileSync(join(messagesFolder, file), "utf8"), file).toBe(source);
});

test.skipIf(!specIsHere)(`every message and field of the agent has the contract's names and numbers${whyNot}`, () => {
  const rows = readTable("agent-messages.tsv").map(([pkg, message, field, number, type, label]) => ({
    message: `${pkg}.${message}`,
    field: field ?? "",
    number: Number(number),
    type: type ?? "",
    label: label ?? "",
  }));
  expect(rows.length).toBeGreaterThan(380);
  for (const row of rows) checkRow(row);
});

test.skipIf(!specIsHere)(`every message and field of the hub has the contract's names and numbers${whyNot}`, () => {
  const rows = [...readTable("attestation-messages.tsv"), ...readTable("cdh-messages.tsv")].map(
    ([pkg, message = "", field, number, type = "", label = ""]) => ({
      message: `${pkg}.${message.replace(/^enum /, "")}`,
      field: field ?? "",
      number: Number(number),
      type: type.replace(/^enum (?=\S)/, "").replace(/^map<string, string>$/, "map<string,string>"),
      label:
        label === "-" ? "enum-value" : label.replace("empty", "(no fields)").replace(/^map$/, "map<string,string>"),
    }),
  );
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) checkRow(row);
});

test.skipIf(!specIsHere)(`every method has the contract's request and response${whyNot}`, () => {
  const tables = ["agent-services.tsv", "attestation-services.tsv", "cdh-services.tsv"];
  const rows = tables.flatMap((name) => readTable(name));
  expect(rows.length).toBeGreaterThan(55);
  for (const [service = "", method = "", request, response] of rows) {
    const definition: MethodDefinition | undefined = services.get(service)?.methods[method];
    expect(definition?.service, `${service}/${method}`).toBe(service);
    expect(definition?.name, `${service}/${method}`).toBe(method);
    expect(definition?.request.fullName, `${service}/${method}`).toBe(request);
    expect(definition?.response.fullName, `${service}/${method}`).toBe(response);
  }
  const inTables = new Set(rows.map(([service, method]) => `${service}/${method}`));
  const inCode = [...services.values()].flatMap((service) =>
    Object.keys(service.methods).map((m) => `${service.name}/${m}`),
  );
  expect(inCode.filter((method) => !inTables.has(method))).toEqual([]);
});

interface Row {
  readonly message: string;
  readonly field: string;
  readonly number: number;
  readonly type: string;
  readonly label: string;
}

function checkRow({ message, field, number, type, label }: Row): void {
  const place = `${message}.${field}`;
  if (label === "enum-value") {
    const name = message.split(".").slice(1).join("");
    expect(enums.get(name)?.[field], place).toBe(number);
    return;
  }
  const schema = schemas.get(message);
  if (schema === undefined) throw new Error(`${message} is missing`);
  if (label === "(no fields)") {
    expect(schema.fields, message).toEqual([]);
    return;
  }
  const found = schema.fields.find(({ name }) => name === field);
  if (found === undefined) throw new Error(`${place} is missing`);
  expect(found.number, place).toBe(number);
  expect(labelOf(found), place).toBe(label);
  expect(typeOf(found), place).toBe(enums.has(type.split(".").slice(1).join("")) ? "enum" : type);
}

function labelOf(field: FieldSchema): string {
  if (field.label === "map") return typeOf(field);
  return field.label === "oneof" ? `oneof ${field.oneof}` : field.label;
}

function typeOf(field: FieldSchema): string {
  const single = typeof field.type === "string" ? field.type : field.type().fullName;
  return field.label === "map" ? `map<${field.mapKey},${single}>` : single;
}

function readTable(name: string): string[][] {
  const [, ...lines] = readFileSync(join(specFolder, name), "utf8").trimEnd().split("\n");
  return lines.map((line) => line.split("\t"));
}

function isSchema(value: unknown): value is MessageSchema {
  return typeof value === "object" && value !== null && "fields" in value;
}

function isService(value: unknown): value is ServiceDefinition {
  return typeof value === "object" && value !== null && "methods" in value;
}

function isEnum(value: unknown): value is Readonly<Record<string, number>> {
  return (
    typeof value === "object" && value !== null && Object.values(value).every((member) => typeof member === "number")
  );
}
