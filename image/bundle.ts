/**
 * Bundles podkeep for the image: one readable CommonJS file a daemon, which starts faster and costs less memory than the
 * source files (docs/PERFORMANCE.md). Same sources, same bytes. Usage: node image/bundle.ts [OUTPUT FOLDER]
 */
import process from "node:process";
import { type BuildOptions, build } from "esbuild";
import { projectRoot } from "./folders.ts";

/** Output name, module and export of each command that has a file of its own in the image. */
const bundles = [
  { name: "agent", module: "./guest/compose/agent/command.ts", command: "agentCommand" },
  { name: "hub", module: "./guest/compose/hub/command.ts", command: "hubCommand" },
  { name: "provision", module: "./guest/compose/provision/command.ts", command: "provisionCommand" },
] as const;

/**
 * Packages that few pods need, by the name of their file. Inside the daemons' files they would be two thirds of what Node has to
 * scan at every start.
 */
const packagesOnDemand: Readonly<Record<string, string>> = {
  "@grpc/grpc-js": "grpc-js",
  "@open-policy-agent/opa-wasm": "opa-wasm",
  graphql: "graphql",
  yaml: "yaml",
};

/** Writes a file for each daemon (`agent.cjs`, …) and for each package that is loaded on demand (`yaml.cjs`, …) to a folder. */
export async function writeBundles(folder: string): Promise<void> {
  const onDemand = Object.entries(packagesOnDemand).map(([name, file]) => [name, `./${file}.cjs`] as const);
  const elsewhere = { alias: Object.fromEntries(onDemand), external: onDemand.map(([, file]) => file) };
  for (const { name, module, command } of bundles) {
    const contents = `import { ${command} } from "${module}"; import { runAsProcess } from "./guest/process.ts"; runAsProcess("${name}", ${command});`;
    await writeBundle(`${folder}/${name}.cjs`, contents, elsewhere);
  }
  for (const [name, file] of onDemand) await writeBundle(`${folder}/${file}`, `module.exports = require("${name}");`);
}

async function writeBundle(outfile: string, contents: string, options: BuildOptions = {}): Promise<void> {
  await build({
    stdin: { contents, resolveDir: projectRoot, sourcefile: "entry.ts", loader: "ts" },
    // Paths in comments are relative to it: the bytes don't depend on where the clone is.
    absWorkingDir: projectRoot,
    outfile,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "cjs",
    // A single character outside of ASCII would make Node keep and parse the whole file as UTF-16.
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });
}

if (import.meta.main) await writeBundles(process.argv[2] ?? "build");
