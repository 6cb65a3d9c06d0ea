import { isAlias, isMap, isScalar, isSeq, type Node, parseAllDocuments, visit, YAMLError } from "yaml";
import { maxFiles, maxUserDataBytes } from "./limits.ts";
import { UserDataError } from "./user-data-error.ts";

/** A file that user data asks to be written. */
export interface RequestedFile {
  readonly path: string;
  readonly content: string;
}

/**
 * Parses a cloud-config document with nothing in it but `write_files`, each entry a `path` and a `content` (spec/userdata.md 4).
 * Every other key is an error, and so is everything of YAML that makes a text mean more than it says: anchors, aliases, tags,
 * merge keys, several documents (threat model row 90).
 *
 * @param text the document; an empty one asks for no files
 * @throws UserDataError naming the line
 */
export function parseCloudConfig(text: string): readonly RequestedFile[] {
  if (text.length > maxUserDataBytes) throw new UserDataError(`longer than ${maxUserDataBytes} bytes`);
  const root = parseYaml(text);
  if (isNothing(root)) return [];
  if (!isMap(root)) throw new UserDataError("no cloud-config: the document is not a mapping");
  const members = membersOf(root, "the document", ["write_files"]);
  const list = members.get("write_files");
  if (isNothing(list)) return [];
  if (!isSeq(list)) throw new UserDataError("write_files is not a list");
  if (list.items.length > maxFiles) throw new UserDataError(`write_files has more than ${maxFiles} entries`);
  return list.items.map((item, index) => requestedFile(item, `write_files entry ${index + 1}`));
}

/** The only document's root. All scalars are text: the schema knows no numbers, booleans or dates. */
function parseYaml(text: string): unknown {
  try {
    const documents = parseAllDocuments(text, {
      schema: "failsafe",
      strict: true,
      uniqueKeys: true,
      logLevel: "error",
    });
    if (documents.length > 1) throw new UserDataError("more than one YAML document");
    const [document] = documents;
    const [fault] = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
    if (fault !== undefined) throw fault;
    if (document !== undefined) visit(document, { Node: (_key, node) => refuseIndirection(node) });
    return document?.contents ?? null;
  } catch (cause) {
    if (cause instanceof UserDataError) throw cause;
    throw new UserDataError(describeFault(cause));
  }
}

/** By its line and the parser's code: the parser's message quotes the text, which holds keys and passwords (threat model row 74). */
function describeFault(fault: unknown): string {
  // A parser that has run out of stack has met a text that nests too deep.
  if (fault instanceof RangeError) return "nested too deep";
  if (!(fault instanceof YAMLError)) return "no valid YAML";
  return `no valid YAML at line ${fault.linePos?.[0].line ?? "?"} (${fault.code})`;
}

function refuseIndirection(node: Node): void {
  const hasAnchor = "anchor" in node && node.anchor !== undefined;
  if (isAlias(node) || hasAnchor) throw new UserDataError("anchors and aliases are not allowed");
  if (node.tag !== undefined && !standardTags.has(node.tag)) throw new UserDataError("tags are not allowed");
}

const standardTags: ReadonlySet<string> = new Set(["map", "seq", "str"].map((kind) => `tag:yaml.org,2002:${kind}`));

function requestedFile(entry: unknown, place: string): RequestedFile {
  const members = membersOf(entry, place, ["path", "content"]);
  const path = textOf(members.get("path"), `${place}: path`);
  if (path === "") throw new UserDataError(`${place}: path is missing`);
  return { path, content: textOf(members.get("content"), `${place}: content`) };
}

function membersOf(node: unknown, place: string, allowed: readonly string[]): ReadonlyMap<string, unknown> {
  if (!isMap(node)) throw new UserDataError(`${place} is not a mapping`);
  const members = new Map<string, unknown>();
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : "";
    if (!allowed.includes(name))
      throw new UserDataError(
        `${place} has the key ${JSON.stringify(name.slice(0, 100))}; allowed: ${allowed.join(", ")}`,
      );
    members.set(name, value);
  }
  return members;
}

function isNothing(node: unknown): boolean {
  return node === undefined || node === null || (isScalar(node) && (node.value === null || node.value === ""));
}

/** A scalar's text; an absent or empty one is the empty text. */
function textOf(node: unknown, place: string): string {
  if (isNothing(node)) return "";
  if (isScalar(node) && typeof node.value === "string") return node.value;
  throw new UserDataError(`${place} is not text`);
}
