/**
 * Builds the pod VM images: `npm run image -- [--lean | --disk] [--profile production|debug]`; both when neither is named.
 *
 * mkosi and everything else that builds comes from a Debian 13 tree that is made once (tools-tree.ts).
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { makeImageTree } from "./image-tree.ts";
import { buildDisk, buildLean } from "./mkosi.ts";
import { diskParts, leanParts, type Part, treeParts } from "./sizes.ts";
import { makeToolsTree } from "./tools-tree.ts";

const { values } = parseArgs({
  options: {
    lean: { type: "boolean", default: false },
    disk: { type: "boolean", default: false },
    profile: { type: "string", default: "production" },
  },
});
const { profile } = values;
if (profile !== "production" && profile !== "debug") throw new Error(`there is no profile ${profile}`);
const both = values.lean === values.disk;

await step("tools tree", makeToolsTree);
await step("image tree", () => makeImageTree(profile));
report("in each image, uncompressed", treeParts());
if (both || values.lean) {
  await step("lean image", buildLean);
  report("lean image", leanParts());
}
if (both || values.disk) {
  await step(`disk image, ${profile}`, () => buildDisk(profile));
  report("disk image", diskParts());
}

async function step(name: string, action: () => void | Promise<void>): Promise<void> {
  const start = performance.now();
  await action();
  process.stdout.write(`image: ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}

function report(title: string, parts: readonly Part[]): void {
  process.stdout.write(`${title}\n`);
  for (const { name, bytes, sha256 } of parts) {
    const size = `${(bytes / 1e6).toFixed(1)} MB`.padStart(10);
    process.stdout.write(`${size}  ${name}${sha256 === undefined ? "" : `  sha256 ${sha256}`}\n`);
  }
}
