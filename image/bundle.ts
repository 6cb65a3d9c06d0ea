/**
 * Bundles podkeep for the image: one readable CommonJS file a daemon, which starts faster and costs less memory than the
 * source files (docs/PERFORMANCE.md). Same sources, same bytes. Usage: node image/bundle.ts [OUTPUT FOLDER]
 */
import process from "node:process";
import { build } from "esbuild";

/** Output name, module and export of each command that has a file of its own in the image. */
const bundles = [
  { name: "agent", module: "./guest/compose/agent-command.ts", command: "agentCommand" },
  { name: "hub", module: "./guest/compose/hub-command.ts", command: "hubCommand" },
  { name: "provision", module: "./guest/compose/provision-command.ts", command: "provisionCommand" },
] as const;

const outputFolder = process.argv[2] ?? "build";

for (const { name, module, command } of bundles) {
  await build({
    stdin: {
      contents: `import { ${command} } from "${module}"; import { runAsProcess } from "./guest/process.ts"; runAsProcess("${name}", ${command});`,
      resolveDir: process.cwd(),
      sourcefile: `${name}.ts`,
      loader: "ts",
    },
    outfile: `${outputFolder}/${name}.cjs`,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "cjs",
    legalComments: "none",
    logLevel: "warning",
  });
}
