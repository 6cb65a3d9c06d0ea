/**
 * Bundles podkeep for the image: one readable CommonJS file a daemon, which starts faster and costs less memory than the
 * source files (docs/PERFORMANCE.md). Same sources, same bytes. Usage: node image/bundle.ts [OUTPUT FOLDER]
 */
import process from "node:process";
import { build } from "esbuild";
import { projectRoot } from "./folders.ts";

/** Output name, module and export of each command that has a file of its own in the image. */
const bundles = [
  { name: "agent", module: "./guest/compose/agent-command.ts", command: "agentCommand" },
  { name: "hub", module: "./guest/compose/hub-command.ts", command: "hubCommand" },
  { name: "provision", module: "./guest/compose/provision-command.ts", command: "provisionCommand" },
] as const;

/** Writes `agent.cjs`, `hub.cjs` and `provision.cjs` to a folder. */
export async function writeBundles(folder: string): Promise<void> {
  for (const { name, module, command } of bundles) {
    await build({
      stdin: {
        contents: `import { ${command} } from "${module}"; import { runAsProcess } from "./guest/process.ts"; runAsProcess("${name}", ${command});`,
        resolveDir: projectRoot,
        sourcefile: `${name}.ts`,
        loader: "ts",
      },
      // Paths in comments are relative to it: the bytes don't depend on where the clone is.
      absWorkingDir: projectRoot,
      outfile: `${folder}/${name}.cjs`,
      bundle: true,
      platform: "node",
      target: "node26",
      format: "cjs",
      // A single character outside of ASCII would make Node keep and parse the whole file as UTF-16.
      charset: "ascii",
      legalComments: "none",
      logLevel: "warning",
    });
  }
}

if (import.meta.main) await writeBundles(process.argv[2] ?? "build");
