/**
 * Holds the tree against the layout of docs/ARCHITECTURE.md: layers, built-ins, npm packages, sizes and names. Run by
 * `npm run check`; prints one line a finding and exits 1 when there is any.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import process from "node:process";

/** A folder imports only from lower layers. */
const layers: Readonly<Record<string, number>> = {
  core: 0,
  rego: 0,
  sys: 1,
  rpc: 1,
  policy: 2,
  initdata: 2,
  attest: 2,
  kbs: 2,
  oci: 2,
  runtime: 2,
  network: 2,
  agent: 3,
  hub: 3,
  rest: 3,
  cli: 4,
  compose: 4,
};

/** Built-ins without access to the kernel, free for all folders. */
const pureBuiltins = /^(buffer|crypto|events|path|stream|timers|util|zlib|url|string_decoder)(\/|$)/;

/** Further built-ins a folder may use. */
const folderBuiltins: Readonly<Record<string, RegExp>> = {
  sys: /./,
  rpc: /^(net|tls|http|http2)$/,
};

/** npm packages by the folders that may import them. */
const packages: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["rpc"],
  "@iarna/toml": ["core"],
  "@open-policy-agent/opa-wasm": ["policy"],
  jose: ["kbs", "attest", "rego", "hub"],
  graphql: ["rego"],
  yaml: ["rego", "initdata"],
};

const maxLines = 400;
const findings: string[] = [];

for (const file of typescriptFilesBelow("guest")) checkGuestFile(file);
for (const file of [...typescriptFilesBelow("guest"), ...typescriptFilesBelow("test")]) checkShape(file);
for (const finding of findings) process.stdout.write(`${finding}\n`);
process.exitCode = findings.length === 0 ? 0 : 1;

function typescriptFilesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function checkGuestFile(file: string): void {
  const folder = file.split("/")[1] ?? "";
  if (folder.endsWith(".ts")) return; // main.ts stands above all layers
  const text = readFileSync(file, "utf8");
  for (const specifier of importsOf(text)) checkImport(file, folder, specifier);
  if (/\bprocess\.(env|argv|exit)\b|\bconsole\./.test(withoutComments(text))) {
    findings.push(`${file}: reads the process's environment or writes to the console; only main.ts does`);
  }
  if (/\beval\(|\bnew Function\b/.test(withoutComments(text))) findings.push(`${file}: makes code from text`);
}

/** Specifiers of static imports, re-exports and import(). */
function importsOf(text: string): string[] {
  const patterns = [/^(?:import|export)\b[^;"]*? from "([^"]+)"/gm, /^import "([^"]+)"/gm, /\bimport\("([^"]+)"\)/g];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
}

function checkImport(file: string, folder: string, specifier: string): void {
  if (specifier.startsWith("node:")) {
    const name = specifier.slice("node:".length);
    const allowed = pureBuiltins.test(name) || folderBuiltins[folder]?.test(name);
    if (!allowed) findings.push(`${file}: ${specifier} belongs behind guest/sys`);
    return;
  }
  if (!specifier.startsWith(".")) {
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    if (!packages[name]?.includes(folder)) findings.push(`${file}: package ${name} is not agreed for guest/${folder}`);
    return;
  }
  const target = normalize(join(dirname(file), specifier)).split("/")[1] ?? "";
  if (target === folder) return;
  const from = layers[folder];
  const to = layers[target];
  if (from === undefined || to === undefined || to >= from)
    findings.push(`${file}: ${folder} may not import ${target}`);
}

function checkShape(file: string): void {
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n").length;
  const generated = text.startsWith("// Generated");
  if (lines > maxLines && !generated) findings.push(`${file}: ${lines} lines; split at ${maxLines}`);
  if (/(^|\/)(utils?|helpers?|common|misc|manager)\.ts$/.test(file)) findings.push(`${file}: the name says nothing`);
  if (/@ts-ignore|@ts-expect-error|biome-ignore|\bas any\b/.test(text) && !file.startsWith("test/structure/")) {
    findings.push(`${file}: switches a check off`);
  }
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}
