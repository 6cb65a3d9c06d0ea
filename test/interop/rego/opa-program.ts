/** OPA's own program: built from the Go module proxy, asked about cases, used to compile them to WebAssembly. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type CaseAnswer, modulesOf } from "../../../guest/rego/conformance.ts";
import { parseJson, RegoObject, toJsonText, type Value } from "../../../guest/rego/index.ts";
import { missingGo } from "../go-toolchain.ts";

const run = promisify(execFile);

/** Where the program is once it has been built; the folder is not part of the repository. */
export const opaPath = join(import.meta.dirname, "build/opa");

/** What OPA 1.14 asks for in its go.mod. */
const oldestGo = [1, 25] as const;

/** Longest that one call may take, in milliseconds. */
const timeout = 30_000;

/** Builds OPA if it is not there. @returns why that can't be, in a sentence */
export function buildOpa(): string | undefined {
  if (existsSync(opaPath)) return undefined;
  const missing = missingGo(oldestGo);
  if (missing !== undefined) return missing;
  const built = spawnSync("go", ["build", "-o", opaPath, "github.com/open-policy-agent/opa"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  return built.status === 0 ? undefined : `OPA could not be built: ${built.stderr.trim().split("\n").at(-1)}`;
}

/** A case's files in a folder of its own. */
export interface CaseFiles {
  readonly folder: string;
  readonly modules: readonly string[];
  readonly data: string | undefined;
  readonly input: string | undefined;
}

/** Writes a case's modules and documents to a folder. */
export function writeCase(fields: RegoObject, folder: string): CaseFiles {
  const modules = modulesOf(fields).map((text, index) => {
    const path = join(folder, `module-${index}.rego`);
    writeFileSync(path, text);
    return path;
  });
  const write = (name: string): string | undefined => {
    const value = fields.get(name);
    if (value === undefined) return undefined;
    const path = join(folder, `${name}.json`);
    writeFileSync(path, toJsonText(value));
    return path;
  };
  return { folder, modules, data: write("data"), input: write("input") };
}

/** Asks `opa eval`. */
export async function evaluateWithOpa(fields: RegoObject, files: CaseFiles): Promise<CaseAnswer> {
  const sources = [...files.modules, ...(files.data === undefined ? [] : [files.data])];
  const output = await printedBy([
    "eval",
    "--format=json",
    versionFlag(fields),
    ...(fields.get("strict") === true ? ["--strict-builtin-errors"] : []),
    ...sources.flatMap((path) => ["--data", path]),
    ...(files.input === undefined ? [] : ["--input", files.input]),
    String(fields.get("query")),
  ]);
  const answer = parseJson(output);
  const errors = member(answer, "errors");
  if (errors !== undefined) return { kind: "error", message: toJsonText(errors) };
  return { kind: "solutions", solutions: elements(member(answer, "result")).flatMap(solutionOf) };
}

/** The bindings of one result. Unlike a body, `opa eval` lists a solution although one of its expressions is false. */
function solutionOf(result: Value): Value[] {
  const holds = elements(member(result, "expressions")).every((expression) => member(expression, "value") !== false);
  const bindings = member(result, "bindings") ?? new RegoObject();
  const named = bindings instanceof RegoObject ? [...bindings].filter(([name]) => !String(name).startsWith("_")) : [];
  return holds ? [RegoObject.from(named)] : [];
}

/** Compiles a case's modules for one entrypoint. @returns the module's bytes, or what OPA says against it */
export async function buildWasm(
  fields: RegoObject,
  files: CaseFiles,
  entrypoint: string,
): Promise<Uint8Array | { readonly refused: string }> {
  const bundle = join(files.folder, "bundle.tar.gz");
  try {
    await run(
      opaPath,
      [
        "build",
        "--target=wasm",
        versionFlag(fields),
        `--entrypoint=${entrypoint}`,
        `--output=${bundle}`,
        ...files.modules,
      ],
      { timeout },
    );
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
  const { stdout } = await run("tar", ["-xzOf", bundle, "/policy.wasm"], {
    encoding: "buffer",
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** What the program prints; it prints its errors as JSON too and then fails. */
async function printedBy(args: readonly string[]): Promise<string> {
  try {
    return (await run(opaPath, args, { timeout, maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const printed = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    if (printed.trim() === "") throw error;
    return printed;
  }
}

function versionFlag(fields: RegoObject): string {
  return fields.get("rego_version") === "v0" ? "--v0-compatible" : "--v1-compatible";
}

function member(value: Value, name: string): Value | undefined {
  return value instanceof RegoObject ? value.get(name) : undefined;
}

function elements(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? value : [];
}
