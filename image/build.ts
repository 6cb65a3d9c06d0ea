/**
 * Builds the pod VM images. mkosi and everything else that builds comes from a Debian 13 tree that is made once (tools-tree.ts).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { computeUkiRegisters } from "../guest/attest/measure/uki.ts";
import { readOptions, requireChoice } from "./command-line.ts";
import { imageFiles, imageFolder } from "./folders.ts";
import { makeImageTree, writeImageConfiguration } from "./image-tree.ts";
import { buildDisk, buildLean } from "./mkosi.ts";
import { diskParts, leanParts, type Part, treeParts } from "./sizes.ts";
import { makeToolsTree } from "./tools-tree.ts";

const usage = `usage: npm run image -- [--lean | --disk] [OPTION…]

Builds the lean image, the disk image, or both when neither is named (docs/IMAGE.md).

  --profile NAME           production (default) or debug
  --initdata-binding WORD  required (default) or preferred: whether a VM starts where its platform binds no initdata
`;
const values = readOptions(usage, {
  lean: { type: "boolean", default: false },
  disk: { type: "boolean", default: false },
  profile: { type: "string", default: "production" },
  "initdata-binding": { type: "string", default: "required" },
});
const profile = requireChoice(usage, values.profile, ["production", "debug"]);
const initdataBinding = requireChoice(usage, values["initdata-binding"], ["required", "preferred"]);
const both = values.lean === values.disk;

await step("tools tree", makeToolsTree);
await step("image tree", () => makeImageTree(profile));
report("in each image, uncompressed", treeParts());
if (both || values.lean) {
  writeImageConfiguration({ variant: "lean", profile, initdataBinding });
  await step("lean image", buildLean);
  report("lean image", leanParts());
}
if (both || values.disk) {
  writeImageConfiguration({ variant: "disk", profile, initdataBinding });
  await step(`disk image, ${profile}`, () => buildDisk(profile));
  report("disk image", diskParts());
  reportRegisters();
}

async function step(name: string, action: () => void | Promise<void>): Promise<void> {
  const start = performance.now();
  await action();
  process.stdout.write(`image: ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}

/** What `podkeep measure --uki` says, too. */
function reportRegisters(): void {
  const { pcr4, pcr9, pcr11 } = computeUkiRegisters(readFileSync(join(imageFolder, imageFiles.uki)));
  process.stdout.write("PCRs of the disk image (sha256)\n");
  for (const [pcr, value] of Object.entries({ 4: pcr4, 9: pcr9, 11: pcr11 }))
    process.stdout.write(`${pcr.padStart(10)}  ${value ?? "unknown for this systemd-stub"}\n`);
}

function report(title: string, parts: readonly Part[]): void {
  process.stdout.write(`${title}\n`);
  for (const { name, bytes, sha256 } of parts) {
    const size = `${(bytes / 1e6).toFixed(1)} MB`.padStart(10);
    process.stdout.write(`${size}  ${name}${sha256 === undefined ? "" : `  sha256 ${sha256}`}\n`);
  }
}
