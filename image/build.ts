/**
 * Builds the pod VM images: `npm run image -- [--lean | --disk] [--profile production|debug]
 * [--initdata-binding required|preferred]`; both when neither is named.
 *
 * mkosi and everything else that builds comes from a Debian 13 tree that is made once (tools-tree.ts).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { computeUkiRegisters } from "../guest/attest/measure/uki.ts";
import { imageFiles, imageFolder } from "./folders.ts";
import { makeImageTree, writeImageConfiguration } from "./image-tree.ts";
import { buildDisk, buildLean } from "./mkosi.ts";
import { diskParts, leanParts, type Part, treeParts } from "./sizes.ts";
import { makeToolsTree } from "./tools-tree.ts";

const { values } = parseArgs({
  options: {
    lean: { type: "boolean", default: false },
    disk: { type: "boolean", default: false },
    profile: { type: "string", default: "production" },
    "initdata-binding": { type: "string", default: "required" },
  },
});
const { profile, "initdata-binding": initdataBinding } = values;
if (profile !== "production" && profile !== "debug") throw new Error(`there is no profile ${profile}`);
if (initdataBinding !== "required" && initdataBinding !== "preferred")
  throw new Error(`initdata is bound "required" or "preferred", not "${initdataBinding}"`);
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
