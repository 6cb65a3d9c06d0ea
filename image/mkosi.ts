import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { buildFolder, projectRoot } from "./folders.ts";
import type { Profile } from "./image-configuration.ts";
import { toolsTree, writeAptSources } from "./tools-tree.ts";

/** Builds the disk image: first its initrd, image/initrd/mkosi.conf, then mkosi.conf and a profile of image/profiles. */
export function buildDisk(profile: Profile): void {
  runMkosi(["--directory=image/initrd"]);
  runMkosi([`--include=image/profiles/${profile}.conf`]);
}

/** Builds kernel and initramfs of the lean variant: image/lean/mkosi.conf. */
export function buildLean(): void {
  runMkosi(["--directory=image/lean"]);
}

/**
 * Runs the tools tree's mkosi by the machine's Python: inside a chroot it fails, since a chroot's root is no mount point. Its log
 * goes to standard error.
 */
function runMkosi(options: readonly string[]): void {
  // With this file mkosi adds no suite of debugging symbols, which mirrors need not have.
  writeAptSources(join(buildFolder, "mkosi-sandbox/etc/apt/sources.list.d/mkosi.sources"));
  const modules = join(buildFolder, "mkosi-modules");
  mkdirSync(modules, { recursive: true });
  const link = join(modules, "mkosi");
  rmSync(link, { force: true });
  symlinkSync(join(toolsTree, "usr/lib/python3/dist-packages/mkosi"), link);
  for (const folder of ["mkosi-cache", "mkosi-packages"]) mkdirSync(join(buildFolder, folder), { recursive: true });
  execFileSync("/usr/bin/python3", ["-m", "mkosi", `--tools-tree=${toolsTree}`, ...options, "--force", "build"], {
    cwd: projectRoot,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, PYTHONPATH: modules },
  });
}
